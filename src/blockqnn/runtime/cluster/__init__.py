"""A search on a Ray cluster: only `bridge` and what runs on the nodes import Ray."""
