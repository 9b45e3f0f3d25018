"""Access levels of entries; every read uses `determine_access_level`."""

from enum import StrEnum

from app.rules.law import DisclosureClass
from app.rules.permissions import Caller, Role
from app.rules.status import ENDED_STATUSES, Status


class AccessLevel(StrEnum):
    """The part of an entry that a caller may read."""

    full = "full"
    summary = "outline"
    """The existence of the entry and its measures, without text and issuer."""
    none = "hidden"


def determine_access_level(
    caller: Caller,
    *,
    department: str,
    disclosure_class: DisclosureClass,
    status: Status,
    void: bool,
) -> AccessLevel:
    """Return the access level of a caller.

    - Only auditors read void entries.
    - The own department, operators and auditors read an entry in full, also after its end.
    - Other callers do not read ended entries (山东省社会信用条例 Art 24, 38).
    - Approvers and other departments read a summary of exempt entries, because checks use them.
    - Subscribers (the public) read only public entries. `admission.determine_disclosure_class`
      ensures that entries of natural persons are public only by a State rule (Art 20).

    SQL twin for lists of entries: `app/entries/store/conditions.py`.
    """
    if void:
        return AccessLevel.full if caller.can_read_sealed else AccessLevel.none
    if caller.has_oversight or caller.acts_for(department):
        return AccessLevel.full
    if status in ENDED_STATUSES:
        return AccessLevel.none
    if caller.role is Role.subscriber:
        return AccessLevel.full if disclosure_class is DisclosureClass.public else AccessLevel.none
    return AccessLevel.summary if disclosure_class is DisclosureClass.exempt else AccessLevel.full
