"""Statements of a check: the number is the same for one subject, for hundreds, and for a batch."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from app.checks.pipeline import CheckCommand, execute_checks
from app.checks.schemas import CheckRequest
from app.db import statements as db_statements
from app.rules.permissions import Caller, Role
from tests.support.numbers import build_resident_id, build_uscc
from tests.support.request_bodies import (
    PERSON_RESIDENT_ID,
    build_check,
    build_person,
    build_question,
    build_subject,
)
from tests.support.world import World

STATE, ENTRIES = 1, 1
OF_A_PERSON = 1
OF_AN_ORGANISATION = 3
"""Its number; the organisation code inside it; subjects that are known by its name alone."""
KEPT = 2
"""The check, and its subject."""
COUNTED = 1
"""The personal numbers of all checks, by the meter of sweeps."""


@pytest.fixture
def spent(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Answer checks in one batch; return the kinds of the statements."""
    statements: list[str] = []
    on_driver = db_statements.run_on_driver

    def noting(connection: Any, statement: str, work: Any) -> Any:
        statements.append(statement.split(maxsplit=1)[0])
        return on_driver(connection, statement, work)

    monkeypatch.setattr(db_statements, "run_on_driver", noting)
    officer = Caller(uuid4(), "an officer", Role.approver, "finance_bureau")

    def answer(*bodies: dict[str, Any]) -> list[str]:
        group = [
            CheckCommand(officer, CheckRequest.model_validate(body), chinese=False, request_id=None)
            for body in bodies
        ]
        statements.clear()
        answers = execute_checks(world.registry, group)
        assert all(isinstance(one, bytes) and b'"standing":"black"' in one for one in answers)
        return statements.copy()

    world.record(subject=build_subject(build_uscc(1), "公司1"))
    world.record(subject=build_person(), responsible_persons=None, source_ref="HR-P")
    return answer


def reading(spent: list[str]) -> int:
    return spent.count("SELECT")


def test_a_check_costs_as_many_statements_for_hundreds_as_for_one(
    spent: Callable[..., list[str]],
) -> None:
    a_person = build_question(PERSON_RESIDENT_ID, "张某", scheme="resident_id", ref="p")
    others = [
        build_question(build_uscc(serial), f"公司{serial}", ref=str(serial))
        for serial in range(1, 300)
    ]
    spent(build_check(a_person))  # the catalogue is cached from here on
    alone = spent(build_check(a_person))
    assert reading(alone) == STATE + OF_A_PERSON + ENTRIES
    assert len(alone) - reading(alone) == KEPT + COUNTED
    organisation = spent(build_check(others[0]))
    assert reading(organisation) == STATE + OF_AN_ORGANISATION + ENTRIES
    assert len(organisation) - reading(organisation) == KEPT
    everybody = spent(
        build_check(
            a_person,
            build_question(build_resident_id(4), "李某", scheme="resident_id", ref="q"),
            *others,
        )
    )
    assert reading(everybody) == STATE + OF_A_PERSON + OF_AN_ORGANISATION + ENTRIES
    assert len(everybody) - reading(everybody) == KEPT + COUNTED


def test_checks_together_cost_as_many_as_one(spent: Callable[..., list[str]]) -> None:
    spent(build_check(build_question(build_uscc(1), "公司1")))
    together = spent(*(build_check(build_question(build_uscc(1), "公司1")) for _ in range(50)))
    assert reading(together) == STATE + OF_AN_ORGANISATION + ENTRIES
    assert len(together) - reading(together) == KEPT
