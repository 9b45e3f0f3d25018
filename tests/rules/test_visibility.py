from itertools import product

import pytest

from app.rules.law import DisclosureClass
from app.rules.permissions import AccessLevel, Caller, Role, determine_access_level
from app.rules.status import ENDED_STATUSES, Status
from app.rules.suspension import Suspension, determine_suspension

OWN, OTHER = "human_resources", "finance_bureau"

CALLERS = {
    "its own department": Caller(None, "own", Role.department, OWN),
    "another department": Caller(None, "other", Role.department, OTHER),
    "an approver": Caller(None, "approver", Role.approver, OTHER),
    "an approver of its department": Caller(None, "approver", Role.approver, OWN),
    "an operator": Caller(None, "operator", Role.operator),
    "an auditor": Caller(None, "auditor", Role.auditor),
    "a subscriber": Caller(None, "subscriber", Role.subscriber),
}
WHOLE_ALSO_AFTER_THE_END = {"its own department", "an operator", "an auditor"}
EVERY = list(product(CALLERS, DisclosureClass, Status))


def read_access_level(
    who: str, disclosure_class: DisclosureClass, status: Status, *, void: bool = False
) -> AccessLevel:
    return determine_access_level(
        CALLERS[who],
        department=OWN,
        disclosure_class=disclosure_class,
        status=status,
        void=void,
    )


@pytest.mark.parametrize(("who", "disclosure_class", "status"), EVERY)
def test_access_levels_follow_the_table(
    who: str, disclosure_class: DisclosureClass, status: Status
) -> None:
    if who in WHOLE_ALSO_AFTER_THE_END:
        expected = AccessLevel.full
    elif status in ENDED_STATUSES:
        expected = AccessLevel.none
    elif who == "a subscriber":
        public = disclosure_class is DisclosureClass.public and status is not Status.suspended
        expected = AccessLevel.full if public else AccessLevel.none
    elif disclosure_class is DisclosureClass.exempt:
        expected = AccessLevel.summary
    else:
        expected = AccessLevel.full
    assert read_access_level(who, disclosure_class, status) is expected


@pytest.mark.parametrize(("who", "disclosure_class", "status"), EVERY)
def test_only_auditors_read_void_entries(
    who: str, disclosure_class: DisclosureClass, status: Status
) -> None:
    expected = AccessLevel.full if who == "an auditor" else AccessLevel.none
    assert read_access_level(who, disclosure_class, status, void=True) is expected


def test_approvers_never_read_ended_entries() -> None:
    for who, disclosure_class, status in product(
        ("an approver", "an approver of its department", "another department", "a subscriber"),
        DisclosureClass,
        ENDED_STATUSES,
    ):
        assert read_access_level(who, disclosure_class, status) is AccessLevel.none


@pytest.mark.parametrize(("who", "disclosure_class"), list(product(CALLERS, DisclosureClass)))
def test_a_hidden_cause_of_suspension_hides_the_entry_from_subscribers_alone(
    who: str, disclosure_class: DisclosureClass
) -> None:
    def read(*, is_suspension_public: bool, status: Status = Status.suspended) -> AccessLevel:
        return determine_access_level(
            CALLERS[who],
            department=OWN,
            disclosure_class=disclosure_class,
            status=status,
            void=False,
            is_suspension_public=is_suspension_public,
        )

    assert read(is_suspension_public=True) is read(is_suspension_public=False, status=Status.active)
    if who == "a subscriber":
        assert read(is_suspension_public=False) is AccessLevel.none
    else:
        assert read(is_suspension_public=False) is read(is_suspension_public=True)


def test_a_suspension_is_public_if_one_of_its_causes_is() -> None:
    public, restricted, exempt = DisclosureClass
    assert determine_suspension([]) is Suspension.none
    assert determine_suspension([restricted, exempt]) is Suspension.hidden
    assert determine_suspension([exempt, public]) is Suspension.public


def test_all_but_subscribers_may_know_every_active_black_entry() -> None:
    """So a suspension discloses to them nothing that they may not see."""
    for who, disclosure_class in product(CALLERS, DisclosureClass):
        access_level = read_access_level(who, disclosure_class, Status.active)
        is_seen = access_level is not AccessLevel.none
        assert is_seen or who == "a subscriber"
