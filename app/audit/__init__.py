"""The append-only trail of changes, queries, exports and refusals."""
