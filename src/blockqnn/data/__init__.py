"""From what a user names to images of one size, split once: sources, preparation, cache (no torch)."""
