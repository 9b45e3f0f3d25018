"""Who is calling: hashed API keys, and the dependencies that turn one into a caller."""
