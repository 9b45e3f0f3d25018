"""Clients of the HTTP API; imports nothing else of `app`, so a department can ship it."""
