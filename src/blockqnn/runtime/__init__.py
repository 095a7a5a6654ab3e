"""Runs many evaluations: the search loop, the store, the executors. No torch."""
