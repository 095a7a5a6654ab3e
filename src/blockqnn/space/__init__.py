"""What can be built: block codes, their legal actions, their graphs. No torch."""
