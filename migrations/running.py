"""The Alembic command that runs: what it asks for, and how its context is configured."""

from collections.abc import Callable
from typing import Any

from alembic import context
from alembic.util import to_tuple
from msgspec.structs import replace

from migrations.deploy.given import names_database
from migrations.deploy.options import Settings
from migrations.deploy.people import people_to_import
from migrations.deploy.revisions import is_compared
from migrations.history import History, version_table
from models import Base

__all__ = ["configure", "destination", "is_upgrade", "with_people"]


def destination() -> set[str] | None:
    """Return this command's target revisions. None if it only looks (current, check, history)."""
    try:
        return set(to_tuple(context.get_revision_argument(), default=()))
    except KeyError:
        return None


def is_upgrade() -> bool:
    """Whether the command is ``alembic upgrade``."""
    return bool(context._proxy.context_opts["fn"].__name__ == "upgrade")  # type: ignore[attr-defined]  # not told otherwise


def with_people(settings: Settings, history: History) -> Settings:
    """Choose real or invented people for what this command imports."""
    people = people_to_import(
        history.due(destination() or ()),
        history.receipts,
        history.imports,
        is_local=not names_database(context.config),
    )
    return replace(settings, importer=replace(settings.importer, people=people))


def configure(settings: Settings, why_stop: Callable[[], str | None], **more: Any) -> None:
    """Configure Alembic's context for one run.

    why_stop: what asks a run to stop. more: options of ``context.configure``.
    """
    context.configure(
        target_metadata=Base.metadata,
        include_schemas=True,
        include_object=is_compared,
        version_table=version_table(context.config),
        # Each revision commits for itself, so it stays if a later one fails.
        transaction_per_migration=True,
        importer=replace(settings.importer, why_stop=why_stop),
        **more,
    )
