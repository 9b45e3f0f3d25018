"""SQL of submissions: files, their lease, and the result of every row."""
