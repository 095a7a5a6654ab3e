"""Measured tables of other spaces as decision process and instant evaluator. No torch."""
