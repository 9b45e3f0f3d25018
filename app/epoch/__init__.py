"""Epochs: the mark of a restore or failover, after which change numbers are given out again."""
