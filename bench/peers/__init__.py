"""Alternatives for the same task, set up as well as their own documents allow."""
