"""Bases of investigations: one that the departments of the tests may use."""

import tempfile
from pathlib import Path

import yaml

from app.catalogue.service import load_catalogue_file
from tests.support.world import World

LAW = "《某法》第一条"


def load_basis(
    world: World,
    *,
    code: str = "municipal_inquiry",
    functions: tuple[str, ...] = ("public_finance", "human_resources"),
    in_force: bool = True,
    valid_until: str | None = None,
) -> str:
    """Load a basis into the catalogue; return its code."""
    basis = {
        "code": code,
        "name": "市级调查",
        "functions": list(functions),
        "legal_reference": LAW,
        "in_force": in_force,
        **({} if valid_until is None else {"valid_until": valid_until}),
    }
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "bases.yaml"
        path.write_text(yaml.safe_dump({"investigation_bases": [basis]}), "utf-8")
        load_catalogue_file(world.registry, path)
    return code
