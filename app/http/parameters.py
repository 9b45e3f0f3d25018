"""Query parameters that many routes have."""

from typing import Annotated, TypeVar

from fastapi import Query

from app.http.schemas import Day, Instant

Value = TypeVar("Value")

FilterText = Annotated[str | None, Query(max_length=80)]
"""A filter by a code or reference."""
PastDay = Annotated[Day | None, Query(description="Auditors and operators: as of that day")]
PastInstant = Annotated[
    Instant | None, Query(description="Auditors and operators: as known at that instant")
]


def collect_filters(**given: Value | None) -> dict[str, Value]:
    """Return the filters that the request has, by name."""
    return {name: value for name, value in given.items() if value is not None}
