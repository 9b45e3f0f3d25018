"""Opening of the registry for a command, and of the embedded database on first use."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from app.crypto import Secrets
from app.errors import ClockUntrusted, CounterWentBack
from app.registry import Registry
from app.settings import Settings

DOUBTS = (ClockUntrusted, CounterWentBack)
"""A person ends them by a command; a restored backup may cause both at once."""


def open_registry() -> Registry:
    """Open the registry of the settings; the embedded database is created or migrated first.

    Raises:
        SecretKeyMismatch, NotReady, ClockUntrusted: the registry may answer nothing.
    """
    settings = Settings()
    if settings.embedded:
        prepare_database(settings)
    registry = Registry.open(settings)
    error = registry.verify()
    if error is not None:
        registry.close()
        raise error
    return registry


def prepare_database(settings: Settings) -> None:
    """Open the embedded database, and create or migrate it without an administrator."""
    from app.catalogue.service import add_missing_shipped_items, initialize_registry
    from app.db import migrations

    # Never next to an existing database, which was encrypted with a key that must be found.
    is_new = settings.embedded and migrations.read_current_revision(settings) is None
    if is_new and settings.secret_key_file is None and not settings.key_path.exists():
        Secrets.make(settings.key_path)
    with closing(Registry.open(settings)) as registry:
        migrations.upgrade(settings)
        initialize_registry(registry)
        add_missing_shipped_items(registry)


@contextmanager
def open_registry_in_doubt() -> Iterator[Registry]:
    """Open the registry for a command by which a person ends a doubt: of its clock or its state.

    Raises:
        SecretKeyMismatch, NotReady: the registry may answer nothing, for another reason.
    """
    from app.db import migrations

    settings = Settings()
    if settings.embedded and migrations.read_current_revision(settings) is not None:
        migrations.upgrade(settings)
    registry = Registry.open(settings)
    try:
        error = registry.verify()
        if error is not None and not isinstance(error, DOUBTS):
            raise error
        yield registry
    finally:
        registry.close()


def finish_opening() -> None:
    """Do the writes of an opening and of a server start that a clock in doubt prevented.

    Raises:
        SecretKeyMismatch, NotReady, ClockUntrusted: the registry may answer nothing.
    """
    registry = open_registry()  # the end of the process closes it
    registry.write(registry.adopt_keys)
