"""Is the process alive, can it answer, and what has it done: for orchestrators and monitors."""

import os
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from pydantic import BaseModel

from app import errors
from app.http.deps import RegistryDep
from app.http.middleware import Metrics
from app.http.problems import problems

# No key is needed: nothing here tells of anybody.
PUBLIC: dict[str, Any] = {"security": []}

router = APIRouter(tags=["Running"])


class Health(BaseModel):
    """One word."""

    status: str


@router.get("/healthz", openapi_extra=PUBLIC)
async def tell_liveness() -> Health:
    """The process runs."""
    return Health(status="alive")


@router.get(
    "/readyz",
    openapi_extra=PUBLIC,
    responses=problems(errors.NotReady, errors.SecretKeyMismatch),
)
async def tell_readiness(registry: RegistryDep) -> Health:
    """The database answers, its schema is this version's, and the key file is its own."""
    trouble = await run_in_threadpool(registry.verify)
    if trouble is not None:
        raise trouble
    return Health(status="ready")


class MetricsResponse(Response):
    """Prometheus text."""

    media_type = "text/plain; version=0.0.4; charset=utf-8"


@router.get("/metrics", openapi_extra=PUBLIC, response_class=MetricsResponse)
def tell_metrics(request: Request) -> Response:
    """Prometheus metrics of all workers."""
    metrics: Metrics = request.app.state.metrics
    collected = metrics.registry
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        collected = CollectorRegistry()
        MultiProcessCollector(collected)  # type: ignore[no-untyped-call]
    return Response(generate_latest(collected), media_type=CONTENT_TYPE_LATEST)
