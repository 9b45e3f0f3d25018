"""SQL of subjects."""
