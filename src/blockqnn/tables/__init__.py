"""Measured tables of other search spaces as decision process and instant evaluator."""
