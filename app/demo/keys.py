"""Keys to try the demo data with, and a first call to paste."""

import json
import os
import shlex
import sys
from pathlib import Path

from app.catalogue.queries import read_current_catalogue
from app.crypto import KeyFileError
from app.entries.queries import read_entry_page
from app.registry import Registry
from app.rules.identifiers import Scheme
from app.rules.law import ListKind, Severity
from app.rules.permissions import COMMAND_LINE_CALLER, DEPARTMENT_ROLES, Role
from app.rules.status import Status
from app.security import service as access
from app.security.queries import find_caller

ADDRESS_TEMPLATE = "http://127.0.0.1:{}"
APPROVER_DEPARTMENTS = ("public_resources", "finance_bureau")
MAX_CANDIDATES = 500


def print_keys(registry: Registry, keys_file: Path, port: int = 8000) -> None:
    """Print a key for each role and a first call; keys that work are kept from start to start.

    Raises:
        KeyFileError: the file can be read by others.
    """
    with registry.database.reading() as connection:
        catalogue = read_current_catalogue(registry, connection)
        stored_keys = {
            role: key
            for role, key in _read_keys(keys_file).items()
            if (caller := find_caller(connection, key)) and caller.role is role
        }
    approvers = [code for code in APPROVER_DEPARTMENTS if code in catalogue.departments]
    departments = {
        Role.department: "human_resources",
        Role.approver: next(iter([*approvers, *catalogue.departments])),
    }
    keys = {
        role: stored_keys.get(role)
        or access.create(registry, name=f"demo {role}", role=role, department=departments.get(role))
        for role in (*DEPARTMENT_ROLES, *(role for role in Role if role not in DEPARTMENT_ROLES))
    }
    if keys != stored_keys:
        _write_keys(keys_file, keys)
    lines = [f"  {role:<11}{key}" for role, key in sorted(keys.items())]
    address = ADDRESS_TEMPLATE.format(port)
    output_lines = [
        "",
        f"演示数据与密钥(每个角色一个,保存在 {keys_file}):",
        f"Demo keys, one per role, kept in {keys_file}:",
        *lines,
        f"地址 / Address: {address}   文档 / Docs: {address}/docs",
        *_build_first_call(registry, address, keys[Role.approver]),
        "",
    ]
    sys.stdout.write("\n".join(output_lines) + "\n")
    sys.stdout.flush()


def _read_keys(keys_file: Path) -> dict[Role, str]:
    if not keys_file.exists():
        return {}
    if keys_file.stat().st_mode & 0o077:
        raise KeyFileError(f"{keys_file} can be read by others; set its mode to 0600")
    try:
        return {Role(role): str(key) for role, key in json.loads(keys_file.read_text()).items()}
    except (ValueError, AttributeError):
        return {}


def _write_keys(keys_file: Path, keys: dict[Role, str]) -> None:
    keys_file.parent.mkdir(parents=True, exist_ok=True)
    draft = keys_file.with_name(f".{keys_file.name}.draft")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(keys, file, indent=2)
    draft.replace(keys_file)


def _build_first_call(registry: Registry, address: str, key: str) -> list[str]:
    """Build a check to paste, of a subject that is on a black list."""
    with registry.database.reading() as connection:
        rows = read_entry_page(
            connection,
            registry.clock.today(),
            after=None,
            limit=MAX_CANDIDATES,
            filters={"list": ListKind.black.value},
            caller=COMMAND_LINE_CALLER,
            statuses=[Status.active],
        )
    # The serious ones first: from them most measures follow.
    for row in sorted(rows, key=lambda row: row.severity != Severity.serious):
        for item in row.facts["subject"].get("identifiers", []):
            if item["scheme"] == Scheme.uscc:
                body = {
                    "matter": "bidding",
                    "purpose": "demo qualification review",
                    "case_no": "DEMO-1",
                    "subjects": [{**item, "name": row.facts["subject"]["name"]}],
                }
                return [
                    "第一次核查(可直接粘贴) / A first check to paste:",
                    f"  curl -s {address}/v1/checks -H 'Authorization: Bearer {key}' \\",
                    "    -H 'Content-Type: application/json' \\",
                    f"    -d {shlex.quote(json.dumps(body, ensure_ascii=False))}",
                ]
    return []
