"""Commands of API keys and of the secret key file."""

from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from app.cli import opening
from app.crypto import Secrets
from app.rules.permissions import Role

commands = typer.Typer(help="API keys, and the secret key file.", no_args_is_help=True)


@commands.command("create")
def create_key(
    name: Annotated[str, typer.Option(help="What the key is for")],
    role: Annotated[Role, typer.Option(help="What it may do")],
    department: Annotated[
        str | None, typer.Option(help="For which department it acts: its code, name or alias")
    ] = None,
    person: Annotated[str | None, typer.Option(help="Whose key it is")] = None,
) -> None:
    """Make a key and print it, this once."""
    from app.catalogue.queries import require_department_code
    from app.security.service import create

    registry = opening.open_registry()
    code = require_department_code(registry, department) if department else None
    print(create(registry, name=name, role=role, department=code, person=person))


@commands.command("list")
def list_keys() -> None:
    """Show every key, without the key itself."""
    from app.security import queries

    with opening.open_registry().database.reading() as connection:
        for key in queries.list_keys(connection):
            state = f"revoked {key.revoked_at:%Y-%m-%d}" if key.revoked_at else "in use"
            columns = (key.id, key.role, key.department or "-", key.name, key.person or "-", state)
            print("\t".join(map(str, columns)))


@commands.command("revoke")
def revoke_key(key_id: Annotated[UUID, typer.Argument(metavar="ID")]) -> None:
    """End a key; no worker takes it after two seconds."""
    from app.security.service import revoke

    if not revoke(opening.open_registry(), key_id):
        raise ValueError("no such key in use")
    print("revoked")


@commands.command("secret")
def make_secret(file: Annotated[Path, typer.Argument()]) -> None:
    """Make a new secret key file (mode 0600); an existing one is never overwritten."""
    Secrets.make(file)
    print(f"{file} made; keep a copy in a safe place, for without it nothing opens")
