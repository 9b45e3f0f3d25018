"""Workbooks for departments: templates, and refused rows."""
