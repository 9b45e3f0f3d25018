"""Objections and credit repair, entered for the listed by a department or the credit office.

A step that changes the entry names the version it was decided on (`If-Match`).
"""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response, status

from app import errors
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.catalogue.queries import read_current_catalogue
from app.db.engines import Connection
from app.entries import store as entries
from app.entries.router import IfMatch, sees_whole
from app.entries.store import EntryRow
from app.http.deps import WRITE_SLOT, RegistryDep, needs
from app.http.problems import problems
from app.http.schemas import make_cursor, read_cursor, read_version
from app.redress import objections, repairs, schemas, store
from app.redress.store import CaseRow
from app.redress.views import case_view, repairability_view
from app.registry import Registry
from app.rules.permissions import Caller, Permission
from app.rules.redress import CaseKind, CaseState

router = APIRouter(prefix="/v1", tags=["Redress"], responses=problems())

Reader = Annotated[Caller, needs(Permission.redress_read)]
Writer = Annotated[Caller, needs(Permission.redress_write)]
Due = Literal["overdue"]
Code = Annotated[str | None, Query(max_length=80)]

OPENING = problems(errors.EntryNotFound, errors.TransitionRefused, errors.Busy)
STEPPING = problems(errors.EntryNotFound, errors.CaseNotFound, errors.StepRefused, errors.Busy)
DECIDING = STEPPING | problems(
    errors.BadVersionTag, errors.VersionRequired, errors.StaleVersion, errors.TransitionRefused
)
BY_PERSON = problems(errors.NotYourDepartment, errors.PersonKeyRequired)
TURN = [needs(Permission.redress_write), WRITE_SLOT]


# --- objections ----------------------------------------------------------


@router.post(
    "/entries/{entry_id}/objections",
    status_code=status.HTTP_201_CREATED,
    dependencies=TURN,
    responses={200: {"model": schemas.CaseView, "description": "Received before"}, **OPENING},
)
def lodge_objection(
    entry_id: UUID,
    order: schemas.Objection,
    caller: Writer,
    registry: RegistryDep,
    response: Response,
) -> schemas.CaseView:
    """The subject says that the entry is wrong: it is marked as disputed from now on.

    The answer is due in 3 working days (山东省社会信用条例 Art 39).
    """
    case, new = objections.lodge(registry, caller, entry_id, order)
    return _opened(registry, case, response, "objections", new=new)


@router.get("/entries/{entry_id}/objections", responses=problems(errors.EntryNotFound))
def list_entry_objections(
    entry_id: UUID, caller: Reader, registry: RegistryDep
) -> schemas.ObjectionList:
    """Every objection to an entry, with its clock and its steps."""
    today = registry.clock.today()
    with registry.database.reading() as connection:
        _readable(connection, entry_id, caller, today)
        cases = store.of_entry(connection, entry_id, CaseKind.objection)
    audit.record_access(registry, caller, AuditAction.objections_read, entry_id)
    return schemas.ObjectionList(objections=[case_view(case, today) for case in cases])


@router.post(
    "/entries/{entry_id}/objections/{case_id}/assistance",
    dependencies=TURN,
    responses=STEPPING,
)
def ask_for_assistance(
    entry_id: UUID,
    case_id: UUID,
    order: schemas.Assistance,
    caller: Writer,
    registry: RegistryDep,
) -> schemas.CaseView:
    """Another unit must help: the answer is due in 7 working days from the receipt."""
    case = objections.ask_for_help(registry, caller, entry_id, case_id, order)
    return case_view(case, registry.clock.today())


@router.post(
    "/entries/{entry_id}/objections/{case_id}/decision",
    dependencies=TURN,
    responses=DECIDING | problems(errors.SubjectFixed, errors.BlacklistedSubject),
)
def answer_objection(
    entry_id: UUID,
    case_id: UUID,
    order: schemas.ObjectionDecision,
    caller: Writer,
    registry: RegistryDep,
    if_match: IfMatch = None,
) -> schemas.CaseView:
    """Answer an objection: correct or revoke the entry, or say why it stands."""
    expected = read_version(if_match)
    case = objections.answer(registry, caller, entry_id, case_id, order, expected)
    return case_view(case, registry.clock.today())


@router.get("/objections", responses=problems(errors.BadCursor))
def list_objections(
    caller: Reader,
    registry: RegistryDep,
    state: CaseState | None = None,
    due: Due | None = None,
    department: Code = None,
    next_: Annotated[str | None, Query(alias="next", max_length=400)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> schemas.CasePage:
    """Objections that wait for an answer, the earliest due first; a department sees its own."""
    return _page(registry, caller, CaseKind.objection, state, due, department, next_, limit)


# --- repair --------------------------------------------------------------


@router.post(
    "/entries/{entry_id}/repairs",
    status_code=status.HTTP_201_CREATED,
    dependencies=TURN,
    responses={
        200: {"model": schemas.CaseView, "description": "Received before"},
        **OPENING,
        **problems(errors.NotRepairable, errors.CaseOpen),
    },
)
def apply_for_repair(
    entry_id: UUID,
    order: schemas.RepairApplication,
    caller: Writer,
    registry: RegistryDep,
    response: Response,
) -> schemas.CaseView:
    """The subject asks for repair, with evidence and a promise; what is not met is all named."""
    case, new = repairs.apply(registry, caller, entry_id, order)
    return _opened(registry, case, response, "repairs", new=new)


@router.get("/entries/{entry_id}/repairs", responses=problems(errors.EntryNotFound))
def list_entry_repairs(entry_id: UUID, caller: Reader, registry: RegistryDep) -> schemas.RepairList:
    """Whether the entry may be repaired, from when and with what; and every application for it."""
    today = registry.clock.today()
    with registry.database.reading() as connection:
        row = _readable(connection, entry_id, caller, today)
        catalogue = read_current_catalogue(registry, connection)
        found = repairs.repairability(connection, row, catalogue, today)
        cases = store.of_entry(connection, entry_id, CaseKind.repair)
    audit.record_access(registry, caller, AuditAction.repairs_read, entry_id)
    return schemas.RepairList(
        repairability=repairability_view(found),
        repairs=[case_view(case, today) for case in cases],
    )


@router.post(
    "/entries/{entry_id}/repairs/{case_id}/acceptance",
    dependencies=TURN,
    responses=STEPPING | BY_PERSON | problems(errors.NotRepairable),
)
def accept_repair(
    entry_id: UUID,
    case_id: UUID,
    order: schemas.Acceptance,
    caller: Writer,
    registry: RegistryDep,
) -> schemas.CaseView:
    """The recognising department takes the application up, or says why not: the first person."""
    case = repairs.accept(registry, caller, entry_id, case_id, order)
    return case_view(case, registry.clock.today())


@router.post(
    "/entries/{entry_id}/repairs/{case_id}/prolongation",
    dependencies=TURN,
    responses=STEPPING | BY_PERSON,
)
def prolong_repair(
    entry_id: UUID,
    case_id: UUID,
    order: schemas.Prolongation,
    caller: Writer,
    registry: RegistryDep,
) -> schemas.CaseView:
    """A complex case takes longer, once, where its rule allows that."""
    case = repairs.prolong(registry, caller, entry_id, case_id, order)
    return case_view(case, registry.clock.today())


@router.post(
    "/entries/{entry_id}/repairs/{case_id}/decision",
    dependencies=TURN,
    responses=DECIDING | BY_PERSON | problems(errors.SamePerson, errors.NotRepairable),
)
def decide_on_repair(
    entry_id: UUID,
    case_id: UUID,
    order: schemas.RepairDecision,
    caller: Writer,
    registry: RegistryDep,
    if_match: IfMatch = None,
) -> schemas.CaseView:
    """Approve or refuse: the second person. An approval ends the entry, and its case's, today."""
    expected = read_version(if_match)
    case = repairs.settle(registry, caller, entry_id, case_id, order, expected)
    return case_view(case, registry.clock.today())


@router.post(
    "/entries/{entry_id}/repairs/{case_id}/taking-back",
    dependencies=TURN,
    responses=DECIDING,
)
def take_repair_back(
    entry_id: UUID,
    case_id: UUID,
    order: schemas.TakingBack,
    caller: Writer,
    registry: RegistryDep,
    if_match: IfMatch = None,
) -> schemas.CaseView:
    """The materials were false: the entry stands again, its term counted anew from today."""
    expected = read_version(if_match)
    case = repairs.take_back(registry, caller, entry_id, case_id, order, expected)
    return case_view(case, registry.clock.today())


@router.get("/repairs", responses=problems(errors.BadCursor))
def list_repairs(
    caller: Reader,
    registry: RegistryDep,
    state: CaseState | None = None,
    due: Due | None = None,
    department: Code = None,
    next_: Annotated[str | None, Query(alias="next", max_length=400)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> schemas.CasePage:
    """Applications that wait for a step, the earliest due first; a department sees its own."""
    return _page(registry, caller, CaseKind.repair, state, due, department, next_, limit)


# --- both ----------------------------------------------------------------


def _opened(
    registry: Registry, case: CaseRow, response: Response, kind: str, *, new: bool
) -> schemas.CaseView:
    if not new:
        response.status_code = status.HTTP_200_OK
    response.headers["Location"] = f"/v1/entries/{case.entry_id}/{kind}"
    return case_view(case, registry.clock.today())


def _readable(connection: Connection, entry_id: UUID, caller: Caller, today: date) -> EntryRow:
    row = entries.get(connection, entry_id, today)
    if row is None or not sees_whole(caller, row, today):
        raise errors.EntryNotFound
    return row


def _page(
    registry: Registry,
    caller: Caller,
    kind: CaseKind,
    state: CaseState | None,
    due: Due | None,
    department: str | None,
    cursor: str | None,
    limit: int,
) -> schemas.CasePage:
    today = registry.clock.today()
    filters = {} if department is None else {"department": department}
    with registry.database.reading() as connection:
        found = store.page(
            connection,
            kind,
            state=state,
            today=today,
            overdue=due is not None,
            filters=filters,
            caller=caller,
            after=_position(cursor),
            limit=limit + 1,
        )
    audit.record_access(
        registry, caller, AuditAction(f"{kind}s_listed"), state=state, due=due, **filters
    )
    shown = found[:limit]
    last = shown[-1] if len(found) > limit else None
    return schemas.CasePage(
        on=today,
        cases=[case_view(case, today) for case in shown],
        next=last and make_cursor(last.due_on or last.received_on, last.id),
    )


def _position(cursor: str | None) -> tuple[date, UUID] | None:
    if cursor is None:
        return None
    day, case_id = read_cursor(cursor, 2)
    try:
        return date.fromisoformat(day), UUID(case_id)
    except ValueError as unreadable:
        raise errors.BadCursor from unreadable
