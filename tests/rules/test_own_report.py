"""The part of a subject's data that an own report shows, by its issuer."""

from itertools import product

import pytest

from app.errors import PersonKeyRequired
from app.rules.own_report import (
    EntryPart,
    ReportScope,
    determine_entry_part,
    determine_report_scope,
    require_person,
    shows_answers_of,
)
from app.rules.permissions import AccessLevel, Caller, Role

OPERATOR = Caller(None, "credit office", Role.operator)
DEPARTMENT = Caller(None, "counter", Role.department, "tax", "赵某")


def test_only_a_department_needs_a_person() -> None:
    require_person(OPERATOR)
    require_person(DEPARTMENT)
    with pytest.raises(PersonKeyRequired):
        require_person(Caller(None, "service", Role.department, "tax"))


@pytest.mark.parametrize(("department", "level"), list(product(("tax", "court"), AccessLevel)))
def test_entries_of_others_are_shown_as_a_check_shows_them(
    department: str, level: AccessLevel
) -> None:
    assert determine_entry_part(OPERATOR, department, level) is EntryPart.whole
    if department == "tax":
        expected = EntryPart.whole
    else:
        expected = EntryPart.none if level is AccessLevel.none else EntryPart.as_checked
    assert determine_entry_part(DEPARTMENT, department, level) is expected


def test_answers_to_others_are_left_out() -> None:
    assert all(shows_answers_of(OPERATOR, each) for each in ("tax", "court", None))
    shown = [each for each in ("tax", "court", None) if shows_answers_of(DEPARTMENT, each)]
    assert shown == ["tax"]


@pytest.mark.parametrize(
    ("shown_names", "name", "by_operator", "by_department"),
    [
        ({"甲", "乙"}, "乙", ReportScope.whole, ReportScope.partial),
        ({"甲", "乙"}, "丙", ReportScope.no_record, ReportScope.no_record),
        (set(), "丙", ReportScope.whole, ReportScope.no_record),
    ],
)
def test_the_scope_follows_from_the_name_and_the_issuer(
    shown_names: set[str], name: str, by_operator: ReportScope, by_department: ReportScope
) -> None:
    assert determine_report_scope(OPERATOR, shown_names, name) is by_operator
    assert determine_report_scope(DEPARTMENT, shown_names, name) is by_department
