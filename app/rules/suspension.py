"""The suspension of red entries, as the readers of a feed see it.

A reader who may not see a black entry sees nothing that follows from it. Subscribers see public
entries only. For them a red entry that others alone suspend is absent, as if it had ended: shown as
active it would be wrong, and shown as suspended it would disclose the cause. Every other caller may
know that a black entry is in force, because checks use it (`determine_access_level`).
"""

from collections.abc import Iterable
from enum import StrEnum

from app.rules.law import DisclosureClass


class Suspension(StrEnum):
    """The black entries that suspend the red entries of a subject on a day."""

    none = "none"
    hidden = "hidden"
    """None of them is public."""
    public = "public"
    """At least one of them is public."""


def determine_suspension(black_classes: Iterable[DisclosureClass]) -> Suspension:
    """Return the suspension by the disclosure classes of a subject's active black entries."""
    classes = set(black_classes)
    if not classes:
        return Suspension.none
    return Suspension.public if DisclosureClass.public in classes else Suspension.hidden
