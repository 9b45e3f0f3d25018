"""What a subject may know about itself: its own report, and whether a print of one is genuine."""
