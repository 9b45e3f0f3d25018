"""Figures on how the departments keep the clock."""
