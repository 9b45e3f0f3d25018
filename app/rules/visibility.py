"""Who may see how much of an entry on a day. Every reader goes through `sight`."""

from enum import StrEnum

from app.rules.law import DisclosureClass
from app.rules.permissions import Caller, Role
from app.rules.status import ENDED_STATUSES, Status


class AccessLevel(StrEnum):
    """How much of an entry somebody sees."""

    full = "full"
    summary = "outline"
    """That it stands and what follows from it, without text or issuer."""
    none = "hidden"


def determine_access_level(
    caller: Caller,
    *,
    department: str,
    disclosure_class: DisclosureClass,
    status: Status,
    void: bool,
) -> AccessLevel:
    """What the caller sees.

    - An entry on the wrong subject is sealed to all but auditors.
    - Its own department, operators and auditors see an entry whole, also after its end.
    - Others do not see ended entries at all (山东省社会信用条例 Art 24, 38).
    - Approvers and other departments see exempt entries in outline, for they answer checks.
    - Subscribers, and with them the public, see public entries alone. A natural person's is public
      only where the State provides so (Art 20), which `admission.disclosure_class` saw to.

    SQL twin, for those who see whole lists: `app/entries/store.py`, `visible_to`.
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
