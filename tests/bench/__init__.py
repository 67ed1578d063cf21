"""Figures that anyone can measure: ``make bench``."""
