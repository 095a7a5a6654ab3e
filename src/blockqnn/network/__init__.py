"""From a block code to a network: the plan (no torch) and the module built from it."""
