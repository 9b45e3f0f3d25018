"""Disclosure: the deadline of 7 working days, publications on channels, withdrawals."""
