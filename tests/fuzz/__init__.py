"""Mutated input for all that reads what was captured: ``python -m tests.fuzz --seconds 600``."""
