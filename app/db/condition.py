"""The condition of the database: the reason, if any, why nothing may be answered from it."""

import logging
from importlib import metadata

from alembic.migration import MigrationContext
from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from app.db.engines import FILES_MOVED, Database
from app.db.gates import LOCK_HELD
from app.db.migrations import find_schema_head, is_known_revision
from app.db.tables import Check, RegistryState, SchemaRelease
from app.errors import CounterWentBack, NotReady, Sentence

log = logging.getLogger("redblack.guard")

NO_ANSWER = Sentence("The database does not answer", "数据库无法访问")
DAMAGED = Sentence(
    "The database is damaged; restore it from a backup, run: redblack db new-epoch, and restart",
    "数据库已损坏；请从备份恢复，运行 redblack db new-epoch 并重新启动",
)
NO_ROOM = Sentence(
    "The disk of the database has no room, or cannot be written; make room",
    "数据库所在磁盘空间不足或无法写入，请清理空间",
)
WENT_BACK = Sentence(
    "The change numbers went back: changes were lost, or a backup was restored; restore the newest"
    " state, or run: redblack db new-epoch",
    "变更序号倒退：变更已丢失或恢复了备份；请恢复最新状态，或运行：redblack db new-epoch",
)
OUTDATED_SCHEMA = Sentence(
    "The schema is not this version's; run: redblack db upgrade",
    "数据库结构版本不符，请运行：redblack db upgrade",
)
EMPTY = Sentence(
    "The database is empty; run: redblack db upgrade",
    "数据库尚未初始化，请运行：redblack db upgrade",
)


def find_trouble(database: Database, *, min_free_bytes: int) -> NotReady | None:
    """Return the reason why the database cannot serve now; None if it can."""
    if not database.has_files_in_place():
        if not database.save_removed_logs():
            log.error("a removed write-ahead log could not be saved; it is tried again")
        return NotReady(FILES_MOVED)
    if _lacks_room(database, min_free_bytes):
        return NotReady(NO_ROOM)
    try:
        trouble = _find_trouble_inside(database)
    except SQLAlchemyError as error:
        log.warning("the database cannot be inspected: %s", type(error).__name__)
        trouble = NotReady(NO_ANSWER)
    # What was read may have shown damage, and the files may have gone meanwhile.
    if database.failures.is_damaged:
        return NotReady(DAMAGED)
    if not database.has_files_in_place():
        return NotReady(FILES_MOVED)
    return trouble


def _lacks_room(database: Database, min_free_bytes: int) -> bool:
    rooms = [files.measure_free_bytes() for files in database.files]
    if any(room is not None and room < min_free_bytes for room in rooms):
        return True
    if database.failures.has_failed_write:
        if not database.try_to_write():
            return True
        database.failures.forget_failed_write()
    return False


def _find_trouble_inside(database: Database) -> NotReady | None:
    # Before the state: a change that is committed between the two readings is no loss.
    highest = database.read_highest()
    with database.inspecting() as connection:
        trouble = _find_schema_trouble(connection)
        if trouble is not None:
            return trouble
        state = connection.execute(select(RegistryState.epoch, RegistryState.seq)).one_or_none()
    if state is None:
        return NotReady(EMPTY)
    if tuple(state) < highest:
        return CounterWentBack(WENT_BACK)
    database.note_position(*state)
    with database.inspecting_ledger() as connection:
        connection.execute(select(Check.id).limit(1))
    return NotReady(LOCK_HELD) if database.is_lock_held else None


def _find_schema_trouble(connection: Connection) -> NotReady | None:
    """Compare the schema with this release.

    A newer schema is served if each of its migrations allows this release: the processes of the
    former release go on while an upgrade is under way.
    """
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision == find_schema_head():
        return None
    if revision is None or is_known_revision(revision):
        return NotReady(OUTDATED_SCHEMA)
    oldest = dict(
        connection.execute(select(SchemaRelease.revision, SchemaRelease.oldest_release)).all()
    )
    if revision not in oldest:
        return NotReady(OUTDATED_SCHEMA)
    later = [release for known, release in oldest.items() if not is_known_revision(known)]
    needed = max(map(_parse_release, later))
    if _parse_release(read_release()) >= needed:
        return None
    release = ".".join(map(str, needed))
    return NotReady(
        Sentence(
            f"The schema needs release {release} or newer; stop this process",
            f"数据库结构要求 {release} 或更新的版本，请停止本进程",
        )
    )


def read_release() -> str:
    """Return the release of this process."""
    return metadata.version("redblack-registry")


def _parse_release(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in release.split("."))
