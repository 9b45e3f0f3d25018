"""The 7-working-day clock: channels, publications, what is overdue."""
