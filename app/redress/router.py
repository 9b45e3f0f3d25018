"""Objections and credit repair, entered for the listed by a department or the credit office.

A step that changes the entry names the version it was decided on (`If-Match`).
"""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Response, status

from app import errors
from app.http.conditional import IfMatch, require_version
from app.http.deps import RegistryDep, needs, needs_to_write
from app.http.parameters import FilterText, PageDep, collect_filters
from app.http.problems import problems
from app.http.routes import KeyedRouter
from app.redress import queries, schemas, service
from app.redress.store import CaseRow
from app.redress.views import build_case_view
from app.registry import Registry
from app.rules.permissions import Caller, Permission
from app.rules.redress import CaseKind, CaseState

router = KeyedRouter(prefix="/v1", tag="Redress")

RedressReader = Annotated[Caller, needs(Permission.redress_read)]
RedressWriter = Annotated[Caller, needs_to_write(Permission.redress_write)]
DueFilter = Literal["overdue"]

OPENING_PROBLEMS = problems(errors.EntryNotFound, errors.TransitionRefused, errors.Busy)
STEP_PROBLEMS = problems(errors.EntryNotFound, errors.CaseNotFound, errors.StepRefused, errors.Busy)
DECISION_PROBLEMS = STEP_PROBLEMS | problems(
    errors.BadVersionTag, errors.VersionRequired, errors.StaleVersion, errors.TransitionRefused
)
PERSON_PROBLEMS = problems(errors.NotYourDepartment, errors.PersonKeyRequired)


# --- objections ----------------------------------------------------------


@router.post(
    "/entries/{entry_id}/objections",
    status_code=status.HTTP_201_CREATED,
    responses={
        200: {"model": schemas.CaseView, "description": "Received before"},
        **OPENING_PROBLEMS,
    },
)
def lodge_objection(
    entry_id: UUID,
    objection: schemas.Objection,
    caller: RedressWriter,
    registry: RegistryDep,
    response: Response,
) -> schemas.CaseView:
    """Open an objection of the subject: the entry is marked as disputed from now on.

    The answer is due in 3 working days (山东省社会信用条例 Art 39).
    """
    case, is_new = service.open_objection(registry, caller, entry_id, objection)
    return _build_opened_response(registry, case, response, "objections", is_new=is_new)


@router.get("/entries/{entry_id}/objections", responses=problems(errors.EntryNotFound))
def list_entry_objections(
    entry_id: UUID, caller: RedressReader, registry: RegistryDep
) -> schemas.ObjectionList:
    """Every objection to an entry, with its clock and its steps."""
    return queries.read_entry_objections(registry, caller, entry_id)


@router.post(
    "/entries/{entry_id}/objections/{case_id}/assistance",
    responses=STEP_PROBLEMS,
)
def ask_for_assistance(
    entry_id: UUID,
    case_id: UUID,
    assistance: schemas.Assistance,
    caller: RedressWriter,
    registry: RegistryDep,
) -> schemas.CaseView:
    """Another unit must help: the answer is due in 7 working days from the receipt."""
    case = service.record_assistance(registry, caller, entry_id, case_id, assistance)
    return build_case_view(case, registry.clock.today())


@router.post(
    "/entries/{entry_id}/objections/{case_id}/decision",
    responses=DECISION_PROBLEMS | problems(errors.SubjectFixed, errors.BlacklistedSubject),
)
def answer_objection(
    entry_id: UUID,
    case_id: UUID,
    decision: schemas.ObjectionDecision,
    caller: RedressWriter,
    registry: RegistryDep,
    if_match: IfMatch = None,
) -> schemas.CaseView:
    """Answer an objection: correct or revoke the entry, or give the reasons why it is right."""
    expected_version = require_version(if_match)
    case = service.decide_objection(registry, caller, entry_id, case_id, decision, expected_version)
    return build_case_view(case, registry.clock.today())


@router.get("/objections", responses=problems(errors.BadCursor))
def list_objections(
    caller: RedressReader,
    registry: RegistryDep,
    page: PageDep,
    state: CaseState | None = None,
    due: DueFilter | None = None,
    department: FilterText = None,
) -> schemas.CasePage:
    """Objections that wait for an answer, the earliest due first; a department sees its own."""
    filters = collect_filters(department=department)
    return queries.read_case_page(
        registry, caller, CaseKind.objection, page, state=state, due=due, filters=filters
    )


# --- repair --------------------------------------------------------------


@router.post(
    "/entries/{entry_id}/repairs",
    status_code=status.HTTP_201_CREATED,
    responses={
        200: {"model": schemas.CaseView, "description": "Received before"},
        **OPENING_PROBLEMS,
        **problems(errors.NotRepairable, errors.CaseOpen),
    },
)
def apply_for_repair(
    entry_id: UUID,
    application: schemas.RepairApplication,
    caller: RedressWriter,
    registry: RegistryDep,
    response: Response,
) -> schemas.CaseView:
    """The subject asks for repair, with evidence and a promise; what is not met is all named."""
    case, is_new = service.open_repair(registry, caller, entry_id, application)
    return _build_opened_response(registry, case, response, "repairs", is_new=is_new)


@router.get("/entries/{entry_id}/repairs", responses=problems(errors.EntryNotFound))
def list_entry_repairs(
    entry_id: UUID, caller: RedressReader, registry: RegistryDep
) -> schemas.RepairList:
    """Show the conditions of repair of an entry, what is missing, and all applications for it."""
    return queries.read_entry_repairs(registry, caller, entry_id)


@router.post(
    "/entries/{entry_id}/repairs/{case_id}/acceptance",
    responses=STEP_PROBLEMS | PERSON_PROBLEMS | problems(errors.NotRepairable),
)
def accept_repair(
    entry_id: UUID,
    case_id: UUID,
    acceptance: schemas.Acceptance,
    caller: RedressWriter,
    registry: RegistryDep,
) -> schemas.CaseView:
    """Accept the application or decline it: the first person of the recognising department."""
    case = service.decide_acceptance(registry, caller, entry_id, case_id, acceptance)
    return build_case_view(case, registry.clock.today())


@router.post(
    "/entries/{entry_id}/repairs/{case_id}/prolongation",
    responses=STEP_PROBLEMS | PERSON_PROBLEMS,
)
def prolong_repair(
    entry_id: UUID,
    case_id: UUID,
    prolongation: schemas.Prolongation,
    caller: RedressWriter,
    registry: RegistryDep,
) -> schemas.CaseView:
    """A complex case takes longer, once, where its rule allows that."""
    case = service.prolong_repair(registry, caller, entry_id, case_id, prolongation)
    return build_case_view(case, registry.clock.today())


@router.post(
    "/entries/{entry_id}/repairs/{case_id}/decision",
    responses=DECISION_PROBLEMS
    | PERSON_PROBLEMS
    | problems(errors.SamePerson, errors.NotRepairable),
)
def decide_on_repair(
    entry_id: UUID,
    case_id: UUID,
    decision: schemas.RepairDecision,
    caller: RedressWriter,
    registry: RegistryDep,
    if_match: IfMatch = None,
) -> schemas.CaseView:
    """Approve or refuse: the second person. An approval ends the entry, and its case's, today."""
    expected_version = require_version(if_match)
    case = service.decide_repair(registry, caller, entry_id, case_id, decision, expected_version)
    return build_case_view(case, registry.clock.today())


@router.post(
    "/entries/{entry_id}/repairs/{case_id}/taking-back",
    responses=DECISION_PROBLEMS,
)
def take_repair_back(
    entry_id: UUID,
    case_id: UUID,
    taking_back: schemas.TakingBack,
    caller: RedressWriter,
    registry: RegistryDep,
    if_match: IfMatch = None,
) -> schemas.CaseView:
    """Take back a repair that rests on false materials: the entry is restored with a new term."""
    expected_version = require_version(if_match)
    case = service.take_back_repair(
        registry, caller, entry_id, case_id, taking_back, expected_version
    )
    return build_case_view(case, registry.clock.today())


@router.get("/repairs", responses=problems(errors.BadCursor))
def list_repairs(
    caller: RedressReader,
    registry: RegistryDep,
    page: PageDep,
    state: CaseState | None = None,
    due: DueFilter | None = None,
    department: FilterText = None,
) -> schemas.CasePage:
    """Applications that wait for a step, the earliest due first; a department sees its own."""
    filters = collect_filters(department=department)
    return queries.read_case_page(
        registry, caller, CaseKind.repair, page, state=state, due=due, filters=filters
    )


# --- both ----------------------------------------------------------------


def _build_opened_response(
    registry: Registry, case: CaseRow, response: Response, path_name: str, *, is_new: bool
) -> schemas.CaseView:
    if not is_new:
        response.status_code = status.HTTP_200_OK
    response.headers["Location"] = f"/v1/entries/{case.entry_id}/{path_name}"
    return build_case_view(case, registry.clock.today())
