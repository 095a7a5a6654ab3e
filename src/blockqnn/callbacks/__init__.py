"""What watches a search while it runs."""
