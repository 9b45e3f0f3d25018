"""Look-ups: the entries of one subject, as a caller may see them."""
