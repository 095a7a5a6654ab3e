"""Pages of HTML that stand alone, made of what `report` reads. No torch."""
