"""What Alembic runs for each command: connect, lock, run, check."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from logging.config import fileConfig
from typing import Any

from alembic import context
from alembic.util import CommandError, to_tuple
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, PendingRollbackError

from migrations.commands.output import tell_preview
from migrations.deploy.connection import connect, database
from migrations.deploy.lock import take_deploy_lock
from migrations.deploy.options import BadOption, Settings, read_settings
from migrations.deploy.people import (
    all_imports,
    people_of_script,
    people_to_import,
    refuse_preview_of_real_people,
)
from migrations.deploy.stop import Stop, listening
from migrations.history import (
    Steps,
    check_steps,
    log_nothing_pending,
    stamped_heads,
    why_incomplete,
)
from migrations.importer.errors import DatabaseRefused, ImportStopped, TryAgain, from_database
from migrations.importer.phone import KEY_INDEX
from migrations.importer.retries import reconnecting
from migrations.importer.schema.preflight import check_server
from migrations.importer.v1 import People
from migrations.preview.dry_run import previewed
from models import Base


def main() -> None:
    if context.config.config_file_name and context.config.attributes.get("configure_logger", True):
        fileConfig(context.config.config_file_name, disable_existing_loggers=False)
    try:
        settings = read_settings(context.get_x_argument(as_dictionary=True))
        if context.is_offline_mode():
            write_script(settings)
            return
        stop = Stop(settings.time_budget)
        with listening(stop):
            run(settings, stop)
    except ImportStopped as error:
        raise CommandError(str(error)) from None


def write_script(settings: Settings) -> None:
    if settings.importer.dry_run:
        raise BadOption(
            "-x dry-run and --sql do not go together: the script would import. Leave one of them "
            "out."
        )
    if is_upgrade():
        start = to_tuple(context.get_starting_revision_argument(), default=())
        end = to_tuple(context.get_revision_argument(), default=())
        settings = with_people(settings, people_of_script(context.script, start, end))
    configure(
        settings, lambda: None, dialect_name="postgresql", dialect_opts={"paramstyle": "named"}
    )
    with context.begin_transaction():
        context.run_migrations()


def with_people(settings: Settings, people: People) -> Settings:
    return replace(settings, importer=replace(settings.importer, people=people))


def run(settings: Settings, stop: Stop) -> None:
    if is_upgrade():
        refuse_preview_of_real_people(os.environ, all_imports(context.script))
    with database() as url:
        for attempt in reconnecting(stop):
            with attempt:
                steps = Steps()
                again = attempt.retry_state.attempt_number > 1
                with connect(url, again=again) as connection, named_errors(connection):
                    migrate(connection, settings, steps, stop)
                if steps.heads is not None and not settings.importer.dry_run:
                    with connect(url, again=True) as connection, named_errors(connection):
                        check_steps(connection, steps.heads, steps.upgraded, context.script)


def migrate(connection: Connection, settings: Settings, steps: Steps, stop: Stop) -> None:
    found, wanted = stamped_heads(connection), destination()
    incomplete = is_upgrade() and why_incomplete(connection, context.script)
    connection.rollback()
    if wanted == set(found) and not incomplete and not settings.importer.dry_run:
        # Alembic would look again, without the lock: what another deploy does now is no work of
        # ours.
        log_nothing_pending(connection, context.script)
        return
    if incomplete or (wanted is not None and wanted != set(found)):
        check_server(connection)
        take_deploy_lock(connection, settings.lock_wait, stop)
    if incomplete:
        # With the lock: it may have been another deploy's downgrade at work.
        refuse_incomplete(connection)
    if is_upgrade() and wanted is not None:
        settings = with_people(settings, people_to_import(connection, context.script, wanted))
    show = context.config.attributes.get("show_preview", tell_preview)
    with (
        previewed(connection, show)
        if settings.importer.dry_run and wanted is not None
        else nullcontext()
    ):
        configure(settings, stop, connection=connection, on_version_apply=steps)
        with context.begin_transaction():
            context.run_migrations()
    if wanted is not None and steps.heads is None:
        log_nothing_pending(connection, context.script)


def destination() -> set[str] | None:
    """The revisions that this command goes to; None where it only looks (current, check,
    history)."""
    try:
        return set(to_tuple(context.get_revision_argument(), default=()))
    except KeyError:
        return None


def is_upgrade() -> bool:
    """Whether this command is an upgrade, of which alone it is asked that all imports are
    complete."""
    return bool(context._proxy.context_opts["fn"].__name__ == "upgrade")  # type: ignore[attr-defined]  # not told otherwise


def refuse_incomplete(connection: Connection) -> None:
    """Nothing is upgraded over an import that is not there as a whole, nor called complete."""
    why = why_incomplete(connection, context.script)
    connection.rollback()
    if why:
        raise DatabaseRefused(why)


def configure(settings: Settings, why_stop: Callable[[], str | None], **more: Any) -> None:
    context.configure(
        target_metadata=Base.metadata,
        include_object=is_described_by_the_models,
        # Each revision commits for itself: what is done stays done when a later one fails.
        transaction_per_migration=True,
        importer=replace(settings.importer, why_stop=why_stop),
        **more,
    )


def is_described_by_the_models(_: object, name: str | None, kind: str, *__: object) -> bool:
    """For ``alembic check``: the phone key's index needs its function, and both are the
    revisions'."""
    return not (kind == "index" and name == KEY_INDEX)


@contextmanager
def named_errors(connection: Connection) -> Iterator[None]:
    """Say what the server refused without the values that its own text may carry."""
    try:
        yield
    except DBAPIError as error:
        raise from_database(error, "the upgrade") from None
    except (ImportStopped, PendingRollbackError) as error:
        # Where the connection is gone, so is the lock: whatever came of it, begin again.
        if connection.invalidated and not isinstance(error, TryAgain):
            raise TryAgain(
                "The connection to the server was lost. Run the same command again.", lost=True
            ) from None
        raise


main()
