"""Creating and revoking API keys; counting the personal numbers that a key asks about."""

import secrets
from uuid import UUID

from uuid_utils.compat import uuid7

from app.audit import service as audit
from app.audit.actions import AuditAction
from app.db.engines import Connection
from app.errors import InvalidPayload, Sentence
from app.registry import Registry
from app.rules.permissions import COMMAND_LINE_CALLER, DEPARTMENT_ROLES, Role
from app.rules.personal_numbers import contains_personal_number
from app.security import store
from app.security.sweeps import CountedRequest, build_asked_number, count_numbers

__all__ = ["CountedRequest", "build_asked_number", "count_numbers", "create", "revoke"]

KEY_PREFIX = "rbk_"
MAX_NAME_LENGTH = 80


def create(
    registry: Registry,
    *,
    name: str,
    role: Role,
    department: str | None = None,
    person: str | None = None,
) -> str:
    """Create a key and return it; it cannot be read again.

    Raises:
        InvalidPayload: the role needs a department and none was named, or a name is not suitable
            for the audit records of the key.
    """
    texts = [name] if person is None else [name, person]
    if not all(text.strip() and len(text) <= MAX_NAME_LENGTH for text in texts):
        raise InvalidPayload(
            Sentence(
                f"A name has 1 to {MAX_NAME_LENGTH} characters",
                f"名称应为 1 至 {MAX_NAME_LENGTH} 个字符",
            )
        )
    if any(map(contains_personal_number, texts)):
        raise InvalidPayload(
            Sentence("A name holds no personal identity number", "名称中不得含有个人身份号码")
        )
    if role in DEPARTMENT_ROLES and department is None:
        raise InvalidPayload(
            Sentence(f"A key of role {role} needs a department", f"角色 {role} 的密钥须指定部门")
        )
    key = KEY_PREFIX + secrets.token_urlsafe(32)
    key_id = uuid7()
    now = registry.clock.now()

    def work(connection: Connection) -> None:
        store.add_key(
            connection,
            {
                "id": key_id,
                "key_hash": store.hash_key(key),
                "name": name,
                "role": role,
                "department": department,
                "person": person,
                "created_at": now,
                "revoked_at": None,
            },
        )
        detail = {"role": role, "department": department}
        audit.record_changes(
            connection,
            [
                audit.build_record(
                    COMMAND_LINE_CALLER, now, AuditAction.key_created, "done", key_id, **detail
                )
            ],
        )

    registry.write(work)
    return key


def revoke(registry: Registry, key_id: UUID) -> bool:
    """Revoke a key: no worker accepts it after two seconds. Return False if it was not active."""
    now = registry.clock.now()

    def work(connection: Connection) -> bool:
        if not store.revoke_key(connection, key_id, now):
            return False
        audit.record_changes(
            connection,
            [audit.build_record(COMMAND_LINE_CALLER, now, AuditAction.key_revoked, "done", key_id)],
        )
        return True

    return registry.write(work)
