"""Receiving of files: the body of a request, encrypted while it arrives."""
