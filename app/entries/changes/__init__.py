"""Changes of recorded entries."""
