"""Background work: leases, worker processes, batching."""
