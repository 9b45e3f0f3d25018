"""The `redblack` command."""
