"""Run an Alembic command as a script for psql: ``alembic upgrade head --sql > import.sql``."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext

from alembic import context
from alembic.util import to_tuple
from msgspec.structs import replace
from sqlalchemy import Connection

from migrations.deploy.connection import connect, named
from migrations.deploy.given import database_of, names_database
from migrations.deploy.options import BadOption, Settings
from migrations.deploy.script import head, prepare
from migrations.history import read_code, read_stamp
from migrations.importer.errors import DatabaseRefused, ImportStopped
from migrations.importer.progress import log
from migrations.running import configure, destination, is_upgrade, with_people

__all__ = ["write_script"]


def write_script(settings: Settings) -> None:
    """Write the command's script to standard output, or to the Config's ``output_buffer``."""
    if settings.importer.dry_run:
        raise BadOption(
            "-x dry-run and --sql do not go together: the script would import. Leave one of them "
            "out."
        )
    begins = to_tuple(context.get_starting_revision_argument(), ())
    code = read_code(context.config, begins)
    due = code.due(destination() or ()) if is_upgrade() else []
    if is_upgrade():
        settings = with_people(settings, code)
    output = context.config.output_buffer or sys.stdout
    prepare(output)
    with _database_of_script(begins) as connection:
        settings = replace(
            settings,
            importer=replace(settings.importer, look=lambda: nullcontext(connection)),
        )
        database = named(connection) if connection else ""
        output.write(head(begins, destination() or (), database, is_personal=bool(due)))
        configure(
            settings, lambda: None, dialect_name="postgresql", dialect_opts={"paramstyle": "named"}
        )
        with context.begin_transaction():
            context.run_migrations()


@contextmanager
def _database_of_script(begins: tuple[str, ...]) -> Iterator[Connection | None]:
    """Connect to the script's database, if one is named and answers."""
    with ExitStack() as opened:
        connection = None
        if names_database(context.config):
            try:
                url = opened.enter_context(database_of(context.config))
                connection = opened.enter_context(connect(url))
            except ImportStopped as error:
                log.warning("%s The script is for tables as the baseline makes them.", error)
        if connection and is_upgrade():
            _refuse_another_beginning(connection, begins)
        yield connection


def _refuse_another_beginning(connection: Connection, begins: tuple[str, ...]) -> None:
    """Refuse to begin a script at base if the stamp says otherwise. Alembic would do so."""
    stamped = read_stamp(connection, context.config).stamped
    connection.rollback()
    if stamped and not begins:
        raise DatabaseRefused(
            f"The database is stamped {' and '.join(stamped)}, but the script would begin at base. "
            f"Say where it begins: 'alembic upgrade {stamped[0]}:head --sql'. Or unset "
            "DATABASE_URL, if the script is for an empty database."
        )
