"""Whom entries are about: identifiers, names, relations."""
