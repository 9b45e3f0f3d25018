"""Rules of law as pure functions: no I/O, no framework, no clock."""
