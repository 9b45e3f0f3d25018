"""SQL of entries: versions are added, never changed; a read is as of a state and a day."""
