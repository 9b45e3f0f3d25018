"""Liveness, readiness and metrics, for orchestrators and monitors."""

import os

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from pydantic import BaseModel

from app import errors
from app.http.deps import PUBLIC, RegistryDep
from app.http.middleware import Metrics
from app.http.problems import problems

# No route needs a key: the answers name no person and no key.
router = APIRouter(tags=["Running"])


class Health(BaseModel):
    """The state of the process in one word."""

    status: str


@router.get("/healthz", openapi_extra=PUBLIC, operation_id="tell_liveness")
async def show_liveness() -> Health:
    """Report that the process runs."""
    return Health(status="alive")


@router.get(
    "/readyz",
    openapi_extra=PUBLIC,
    operation_id="tell_readiness",
    responses=problems(errors.NotReady, errors.SecretKeyMismatch, errors.ClockUntrusted),
)
async def show_readiness(registry: RegistryDep) -> Health:
    """Report that the database answers, and that schema, key file and clock are right."""
    trouble = await run_in_threadpool(registry.verify)
    if trouble is not None:
        raise trouble
    return Health(status="ready")


class MetricsResponse(Response):
    """A response in the text format of Prometheus."""

    media_type = "text/plain; version=0.0.4; charset=utf-8"


@router.get(
    "/metrics",
    openapi_extra=PUBLIC,
    operation_id="tell_metrics",
    response_class=MetricsResponse,
)
def show_metrics(request: Request) -> Response:
    """Return Prometheus metrics of all workers."""
    metrics: Metrics = request.app.state.metrics
    collected = metrics.registry
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        collected = CollectorRegistry()
        MultiProcessCollector(collected)  # type: ignore[no-untyped-call]
    return Response(generate_latest(collected), media_type=CONTENT_TYPE_LATEST)
