"""Working days: calendar notices and years."""
