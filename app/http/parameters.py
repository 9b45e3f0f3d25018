"""Query parameters that many routes have."""

from typing import Annotated, TypeVar

from fastapi import Depends, Query

from app.http.pagination import PageRequest
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


async def read_page_request(
    next_: Annotated[str | None, Query(alias="next", max_length=400)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> PageRequest:
    """Read the parameters `next` and `limit`."""
    return PageRequest(next_, limit)


PageDep = Annotated[PageRequest, Depends(read_page_request)]
