"""Spans of years and months, counted as 民法典 202 counts them."""

from datetime import date, timedelta
from functools import lru_cache

from dateutil.relativedelta import relativedelta

from app.rules.law import Span

ONE_DAY = timedelta(days=1)
MAX_DATE = date(2199, 12, 31)
"""The last date that requests may send and that the registry writes."""


def add_span(day: date, span: Span) -> date:
    """Return the corresponding day a span later, or the last of the month where there is none."""
    return add_years(day, span.years, span.months)


# The decisions of one file share their days.
@lru_cache(maxsize=4096)
def add_years(day: date, years: int, months: int = 0) -> date:
    """Return the corresponding day years and months later, as `add_span` does."""
    return day + relativedelta(years=years, months=months)
