"""Red and black entries and records: record, correct, revoke, exit, history."""
