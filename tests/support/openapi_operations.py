"""The operations of the OpenAPI document, ready to be called."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from fastapi import FastAPI

from app.rules.permissions import Permission
from tests.support.request_bodies import BUILDER_USCC

PATH_PARAMETER_VALUES = {"code": BUILDER_USCC}


def iterate_operations(app: FastAPI) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield (method, path, operation) of the document; fail if there are none."""
    found = [
        (method.upper(), path, operation)
        for path, item in app.openapi()["paths"].items()
        for method, operation in item.items()
    ]
    assert len(found) >= 20
    yield from found


def read_required_permission(operation: dict[str, Any]) -> Permission:
    """Return the one permission that an operation requires."""
    [requirement] = operation["security"]
    [[permission]] = requirement.values()
    return Permission(permission)


def fill_path_parameters(path: str) -> str:
    parts = path.split("/")
    filled = [
        PATH_PARAMETER_VALUES.get(part[1:-1], str(uuid4())) if part.startswith("{") else part
        for part in parts
    ]
    return "/".join(filled)


def read_example_body(app: FastAPI, operation: dict[str, Any]) -> Any:
    """Return the example of the operation's body, if any."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return None
    if "examples" in content:
        return next(iter(content["examples"].values()))["value"]
    name = content["schema"]["$ref"].rpartition("/")[2]
    return app.openapi()["components"]["schemas"][name]["examples"][0]
