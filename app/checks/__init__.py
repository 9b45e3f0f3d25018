"""May this subject proceed? Verdicts, receipts, outcomes fed back."""
