"""Routes of exports, of the change feed and of its snapshot."""

from typing import Annotated

import orjson
from fastapi import Query
from starlette.responses import JSONResponse, Response

from app import errors
from app.exports import queries, schemas, service
from app.exports.schemas import ExportFormat, ExportScope
from app.http.deps import RegistryDep, needs
from app.http.parameters import FilterText, collect_filters
from app.http.problems import problems
from app.http.routes import KeyedRouter
from app.http.schemas import Day, Instant
from app.http.streaming import Stream
from app.rules.law import ListKind
from app.rules.permissions import Caller, Permission
from app.rules.status import Status

router = KeyedRouter(prefix="/v1", tag="Exports")

ExportReader = Annotated[Caller, needs(Permission.export_read)]
ChangeReader = Annotated[Caller, needs(Permission.change_read)]

MEDIA_TYPES = {
    ExportFormat.ndjson: "application/x-ndjson",
    ExportFormat.json: "application/json",
    ExportFormat.csv: "text/csv; charset=utf-8",
}


class ExportResponse(JSONResponse):
    """Shown in the OpenAPI document; what is sent is a `Stream`."""


@router.get(
    "/exports/entries",
    response_class=ExportResponse,
    response_model=schemas.ExportDocument,
    responses={
        200: {
            "description": "One consistent snapshot with a trailer; without it, incomplete",
            "content": {
                MEDIA_TYPES[kind]: {"schema": {"type": "string"}}
                for kind in (ExportFormat.ndjson, ExportFormat.csv)
            },
        }
    },
)
def export_entries(
    caller: ExportReader,
    registry: RegistryDep,
    format_: Annotated[ExportFormat, Query(alias="format")] = ExportFormat.ndjson,
    scope: ExportScope = ExportScope.in_force,
    list_: Annotated[ListKind | None, Query(alias="list")] = None,
    domain: FilterText = None,
    department: FilterText = None,
    status: Status | None = None,
    on: Day | None = None,
    known_at: Instant | None = None,
) -> Response:
    """Entries as one snapshot: streamed, pinned, and proved by count and SHA-256 at the end."""
    pin, chunks = service.start_export(
        registry,
        caller,
        export_format=format_,
        scope=scope,
        status=status,
        filters=collect_filters(list=list_, domain=domain, department=department),
        on=on,
        known_at=known_at,
    )
    name = f"entries-{pin.epoch}-{pin.seq}-{pin.on.isoformat()}.{format_}"
    return Stream(
        chunks,
        media_type=MEDIA_TYPES[format_],
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
        stalled_after=registry.settings.tuning.stalled_client_seconds,
    )


@router.get(
    "/changes",
    tags=["Changes"],
    response_model=schemas.ChangePage,
    responses=problems(errors.FeedGone),
)
def list_changes(
    caller: ChangeReader,
    registry: RegistryDep,
    after: Annotated[int, Query(ge=0, le=2**62, description="The last number you have")] = 0,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 500,
    epoch: Annotated[int | None, Query(ge=1, description="The epoch it is from")] = None,
) -> Response:
    """List changes after a number, in the order of commits, as far as the caller may see them.

    Gap-free: a change before `head_seq` is on the list or not visible to the caller. Changes by the
    day alone are numbered too. `redblack mirror` is a reference consumer.
    """
    page = queries.read_changes(registry, caller, after=after, limit=limit, epoch=epoch)
    # Built from the registry's own parts: validation would only repeat the work.
    return Response(orjson.dumps(page), media_type="application/json")


@router.get(
    "/changes/snapshot",
    tags=["Changes"],
    response_class=ExportResponse,
    responses={
        200: {
            "description": "An entry a line, then a trailer; without it, incomplete",
            "content": {MEDIA_TYPES[ExportFormat.ndjson]: {"schema": {"type": "string"}}},
        }
    },
)
def snapshot_changes(caller: ChangeReader, registry: RegistryDep) -> Response:
    """Everything that the feed, folded, shows this caller today: where to start, and the proof."""
    pin, chunks = service.start_snapshot(registry, caller)
    name = f"snapshot-{pin.epoch}-{pin.seq}-{pin.on.isoformat()}.ndjson"
    return Stream(
        chunks,
        media_type=MEDIA_TYPES[ExportFormat.ndjson],
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
        stalled_after=registry.settings.tuning.stalled_client_seconds,
    )
