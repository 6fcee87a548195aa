"""Run an Alembic command: connect, lock, run, check."""
# ruff: noqa: E402  # Hear signals while importing the rest.

import signal

from migrations.starting import Heard, prepare_process

HEARD = Heard(signal.SIGTERM, signal.SIGINT)

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from logging.config import fileConfig
from typing import NoReturn

from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection, event
from sqlalchemy.exc import DBAPIError, ObjectNotExecutableError, PendingRollbackError

from migrations.declared import refuse_open_questions
from migrations.deploy.connection import connect
from migrations.deploy.given import database_of, is_logging_ours
from migrations.deploy.lock import take_deploy_lock
from migrations.deploy.options import BadOption, Settings, read_settings
from migrations.deploy.people import refuse_preview_of_real_people
from migrations.deploy.revisions import merges_explained, ran_without_database
from migrations.deploy.stop import Interrupted, Stop, listening
from migrations.ending import fault_in_words, give_up_output
from migrations.history import (
    Done,
    Fault,
    History,
    check_done,
    imports_of,
    last_import,
    nothing_new_in_words,
    read_history,
    read_stamp,
    stamp_faults,
    upgrade_faults,
    version_table,
)
from migrations.importer.declaration import Leads
from migrations.importer.errors import DatabaseRefused, ImportStopped, TryAgain, from_database
from migrations.importer.progress import log
from migrations.importer.retries import reconnecting
from migrations.importer.schema.leads import count_leads_in_words
from migrations.importer.schema.preflight import check_reader, check_server
from migrations.offline import write_script
from migrations.running import configure, destination, is_upgrade, with_people


def main() -> None:
    is_closed = sys.stdout is None
    is_ours = is_logging_ours(context.config)
    logs = is_ours and context.config.file_config.has_section("loggers")
    if is_ours:
        prepare_process()
        context.config.stdout = context.config.stdout or sys.stdout  # taken before, if it was there
    if logs:
        fileConfig(str(context.config.config_file_name), disable_existing_loggers=False)
        logging.getLogger("alembic.runtime.migration").addFilter(is_news)
    if ran_without_database(context.config, context._proxy.context_opts):  # type: ignore[attr-defined]  # not told otherwise
        return
    stop = None
    try:
        settings = read_settings(context.get_x_argument(as_dictionary=True))
        is_script = context.is_offline_mode()
        is_printed = settings.importer.dry_run or (is_script and not context.config.output_buffer)
        if is_closed and is_printed:
            raise BadOption("Standard output is closed. Open it and try again.")
        if is_script:
            write_script(settings)
            return
        stop = Stop(settings.time_budget)
        with listening(stop, HEARD):
            run(settings, stop)
    except Exception as error:
        give_up_output(error)
        if (told := fault_in_words(error)) is None:
            raise
        if logs:
            # Alembic logs it, and would print it too, even into a script.
            context.config.messaging_opts = {"quiet": True}
        kind = Interrupted if stop and stop.is_by_ctrl_c else CommandError
        raise kind(told) from None


def is_news(record: logging.LogRecord) -> bool:
    """Whether a line of Alembic's says what it does, not how it is set up."""
    return not str(record.msg).startswith(("Context impl", "Will assume"))


def run(settings: Settings, stop: Stop) -> None:
    if is_upgrade():
        refuse_open_questions()
        refuse_preview_of_real_people(os.environ, imports_of(context.config))
    if settings.importer.dry_run and destination() is not None:
        log.info(
            "DRY RUN: everything happens in one transaction, which is rolled back. Until then it "
            "locks the rows it writes, and the ids it takes are not given again."
        )
    with database_of(context.config) as url:
        for attempt in reconnecting(stop):
            with attempt:
                done = Done()
                again = attempt.retry_state.attempt_number > 1
                with connect(url, again=again) as connection, named_errors(connection):
                    migrate(connection, settings, done, stop)
                    if done.heads is not None and not settings.importer.dry_run:
                        # What is not committed goes. Another deploy still waits for the lock.
                        connection.rollback()
                        check_done(connection, context.config, done)


def migrate(connection: Connection, settings: Settings, done: Done, stop: Stop) -> None:
    found, wanted = read_stamp(connection, context.config), destination()
    connection.rollback()
    if wanted is None:
        refuse(stamp_faults(found))
    elif wanted != set(found.stamped) or faults_that_stop(read_afresh(connection)):
        check_server(connection, version_table(context.config), next_table(found, wanted))
        doing = "dry run" if settings.importer.dry_run else ""
        take_deploy_lock(connection, settings.lock_wait, stop, doing)
        # Only now: without the lock another deploy's downgrade might have been at work.
        history = read_afresh(connection)
        refuse(faults_that_stop(history))
        if is_upgrade():
            settings = with_people(settings, history)
    elif not settings.importer.dry_run:
        # Without the lock, Alembic would look again and find another deploy's work.
        log_nothing_pending(connection)
        return
    with shown(connection) if settings.importer.dry_run and wanted is not None else nullcontext():
        configure(settings, stop, connection=connection, on_version_apply=done)
        if settings.importer.dry_run:
            forbid_commits(connection)
        with context.begin_transaction(), merges_explained(context.script, found.stamped):
            context.run_migrations()
    if wanted is not None and done.heads is None:
        log_nothing_pending(connection)


def next_table(history: History, wanted: set[str]) -> Leads | None:
    """Find where an import's leads live, if an upgrade begins with one."""
    imports = history.due(wanted) if is_upgrade() else []
    is_first = bool(imports) and history.before(imports[0].revision) <= history.applied
    return imports[0].leads if is_first else None


def read_afresh(connection: Connection) -> History:
    history = read_history(connection, context.config)
    connection.rollback()
    return history


def faults_that_stop(history: History) -> list[Fault]:
    """List the faults that stop this command.

    An upgrade needs every import complete. Other commands repair an incomplete one, but need a
    stamp Alembic can start from. ``stamp --purge`` needs none.
    """
    if is_upgrade():
        return upgrade_faults(history)
    options = context._proxy.context_opts  # type: ignore[attr-defined]  # not told otherwise
    return [] if options.get("purge") else stamp_faults(history)


def refuse(found: list[Fault]) -> None:
    """Raise ``DatabaseRefused`` with the first fault. Its remedy may fix the others too."""
    if found:
        raise DatabaseRefused(str(found[0]))


def log_nothing_pending(connection: Connection) -> None:
    """Log the last import as complete and this run as adding nothing, or else what is wrong."""
    history = read_afresh(connection)
    if wrong := upgrade_faults(history):
        log.warning("%s", wrong[0])
    elif receipt := last_import(history):
        leads = leads_in_words(connection, receipt.leads)
        is_invented = history.is_invented(receipt)
        log.info("%s", nothing_new_in_words(receipt, leads, is_invented=is_invented))


def leads_in_words(connection: Connection, leads: Leads) -> str:
    """Count the leads. Returns "" if the CRM has changed, so that they cannot be counted."""
    try:
        return count_leads_in_words(connection, leads)
    except (DBAPIError, DatabaseRefused):
        connection.rollback()
        return ""


def shown(connection: Connection) -> AbstractContextManager[None]:
    """Show what the block does, and roll it back.

    Raises ``DatabaseRefused`` unless the role may count the leads.
    """
    from migrations.preview.dry_run import dry_run  # noqa: PLC0415  # a deploy does without
    from migrations.preview.words import print_preview  # noqa: PLC0415  # as above

    imports = imports_of(context.config)
    leads = imports[-1].leads if imports else None
    stamp = version_table(context.config)
    check_reader(connection, [leads] if leads else [], stamp)
    connection.rollback()
    show = context.config.attributes.get("show_preview", print_preview)
    return dry_run(connection, leads, stamp, show)


def forbid_commits(connection: Connection) -> None:
    """Stop at a revision that commits by itself, because a dry run could not be rolled back."""

    def refuse_to_commit() -> NoReturn:
        raise DatabaseRefused(
            "This revision commits by itself, and a dry run must not. Everything was rolled back. "
            "Name a revision before it to go to."
        )

    def look_at(_: object, __: object, statement: str, *___: object) -> None:
        if statement.lstrip().upper().startswith("COMMIT"):
            refuse_to_commit()

    context.get_context().autocommit_block = refuse_to_commit  # type: ignore[method-assign]
    event.listen(connection, "before_cursor_execute", look_at)


@contextmanager
def named_errors(connection: Connection) -> Iterator[None]:
    """Say what the server refused, without the values in its own text."""
    try:
        yield
    except DBAPIError as error:
        raise from_database(error, "this run") from None
    except ObjectNotExecutableError:
        raise CommandError(
            "The revision is not written yet: it executes what is no SQL, such as op.execute(...). "
            "What was committed stays. Write it and try again."
        ) from None
    except (ImportStopped, PendingRollbackError) as error:
        # The lock is lost with the connection, so begin again whatever the error was.
        if connection.invalidated and not isinstance(error, TryAgain):
            raise TryAgain(
                "The connection to the server was lost. Run the same command again.", lost=True
            ) from None
        raise


try:
    main()
finally:
    HEARD.release()
