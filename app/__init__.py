"""Redblack Registry: a city's red and black lists, provable."""
