"""Exports with a proof, and the change feed."""
