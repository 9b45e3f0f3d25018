"""Rules of law as pure functions, without I/O, framework or clock."""
