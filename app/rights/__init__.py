"""Own reports: all data held on one subject, for that subject, and the verification of a print."""
