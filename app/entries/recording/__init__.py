"""Recording of new entries."""
