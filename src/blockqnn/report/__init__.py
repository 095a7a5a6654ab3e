"""What a reader sees of a run: reads what the run recorded, never writes it. No torch."""
