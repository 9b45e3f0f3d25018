"""Investigations: a question that its subject does not see for a time, by a law that allows it."""

from datetime import date

from app.checks.schemas import Investigation
from app.errors import Fault, InvalidPayload, ProblemCode, Sentence
from app.rules.calendar import add_span
from app.rules.law import Catalogue, Span
from app.rules.permissions import Caller

MAX_DELAY = Span(years=1)
"""Longest time for which an investigation may hide a check from its subject."""


def require_valid_investigation(
    caller: Caller, catalogue: Catalogue, today: date, investigation: Investigation | None
) -> None:
    """Refuse an investigation without a law that is in force for the caller, or a too long one.

    Raises:
        InvalidPayload: `basis` is no basis of the catalogue, is not in force, or is not for the
            caller's department; `until` is not after today or more than `MAX_DELAY` ahead.
    """
    if investigation is None:
        return
    faults = [
        fault
        for fault in (
            _find_basis_fault(caller, catalogue, today, investigation.basis),
            _find_until_fault(today, investigation.until),
        )
        if fault is not None
    ]
    if faults:
        raise InvalidPayload(faults=faults)


def require_no_investigation(investigation: Investigation | None) -> None:
    """Refuse an investigation in a re-examination, which no own report lists.

    Raises:
        InvalidPayload: there is one.
    """
    if investigation is not None:
        fault = Fault(
            "/investigation",
            ProblemCode.unknown_field,
            Sentence(
                "No subject is told of a re-examination: leave investigation out",
                "复核不计入主体的被查询记录，请勿填写 investigation",
            ),
        )
        raise InvalidPayload(faults=[fault])


def _find_basis_fault(caller: Caller, catalogue: Catalogue, today: date, code: str) -> Fault | None:
    pointer = "/investigation/basis"
    basis = catalogue.investigation_bases.get(code)
    if basis is None:
        return Fault(
            pointer,
            ProblemCode.unknown_value,
            Sentence(
                "Give the code of a basis; see GET /v1/investigation-bases",
                "请填写目录中的依据代码，请查看 GET /v1/investigation-bases",
            ),
        )
    if not basis.is_in_force_on(today):
        return Fault(
            pointer,
            ProblemCode.not_in_force,
            Sentence(
                "The basis is not in force: an operator confirms the law and enables it",
                "该依据尚未启用：须由管理员核实法律依据后启用",
            ),
        )
    if not catalogue.may_use_basis(caller.department, basis):
        return Fault(
            pointer,
            ProblemCode.basis_not_for_department,
            Sentence(
                "The law of this basis is not for your department; leave investigation out",
                "该依据不适用于贵部门，请勿填写 investigation",
            ),
        )
    return None


def _find_until_fault(today: date, until: date) -> Fault | None:
    if today < until <= add_span(today, MAX_DELAY):
        return None
    return Fault(
        "/investigation/until",
        ProblemCode.dates_out_of_order,
        Sentence(
            "The last day of the delay lies after today, and at most one year ahead",
            "延期告知的截止日应晚于今日，且最长不超过一年",
        ),
    )
