"""Callers: hashed API keys, authentication, limits of attempts and writes, refusals."""
