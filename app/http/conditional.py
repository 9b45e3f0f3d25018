"""Conditional requests: the version in `If-Match` (RFC 9110, 13.1.1)."""

import re
from collections.abc import Mapping
from typing import Annotated

from fastapi import Header, Response

from app.errors import BadVersionTag, VersionRequired

IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description='The version to change, as `ETag` shows it: `"3"`',
        examples=['"1"'],
    ),
]


def require_version(if_match: str | None) -> int:
    """Parse the version from which a change was made; the request must name it.

    Raises:
        VersionRequired: the request has no If-Match.
        BadVersionTag: If-Match is not one version in quotes.
    """
    version = read_version(if_match)
    if version is None:
        raise VersionRequired
    return version


def read_version(if_match: str | None) -> int | None:
    """Parse the version from which a change was made; None if the request names none.

    Raises:
        BadVersionTag: If-Match is not one version in quotes.
    """
    if if_match is None:
        return None
    found = re.fullmatch(r'"([0-9]{1,9})"', if_match.strip())
    if found is None:
        raise BadVersionTag
    return int(found[1])


def set_version_tag(response: Response, view: Mapping[str, object]) -> None:
    """Put the version of an entry into the `ETag` of a response, for the next `If-Match`."""
    response.headers["ETag"] = f'"{view["version"]}"'
