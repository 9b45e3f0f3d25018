"""Opening of the registry for a command, and of the embedded database on first use."""

from app.crypto import Secrets
from app.registry import Registry
from app.settings import Settings


def open_registry() -> Registry:
    """Open the registry of the settings; the embedded database is created or migrated first.

    Raises:
        SecretKeyMismatch, NotReady: the registry may answer nothing.
    """
    settings = Settings()
    if settings.embedded:
        prepare_database(settings)
    registry = Registry.open(settings)
    error = registry.verify()
    if error is not None:
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
    registry = Registry.open(settings)
    migrations.upgrade(settings)
    initialize_registry(registry)
    add_missing_shipped_items(registry)
    registry.close()
