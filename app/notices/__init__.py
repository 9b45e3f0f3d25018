"""Calendar notices: one change of the calendar, disclosure deadlines and due days of cases."""
