"""Loading catalogue files: reading and validation."""
