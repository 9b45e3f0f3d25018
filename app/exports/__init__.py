"""Exports that prove themselves, and the audit trail."""
