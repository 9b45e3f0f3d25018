"""Mapping: from the cells of a row to the body of a push."""
