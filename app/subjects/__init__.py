"""Subjects: identifiers, names, and the lookup keys that find them."""
