"""Objections and credit repair: cases with their clocks, and what they do to entries."""
