"""Processing: rows become entries."""
