"""The clock of the registry: a person confirms it, and repairs what a wrong clock did."""
