"""Share the project's revisions and a connection among the commands."""

import logging
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from migrations import crm
from migrations.declared import last_declaration
from migrations.deploy.connection import connect
from migrations.deploy.given import database_of
from migrations.history import imports_of, version_table
from migrations.importer.declaration import Leads
from migrations.importer.errors import from_database
from migrations.importer.schema.preflight import check_reader

__all__ = [
    "ROOT",
    "alembic_config",
    "check_may_read",
    "connected",
    "next_declaration",
    "reading",
    "revisions",
]

ROOT = Path(__file__).parents[2]


def alembic_config(root: Path = ROOT) -> Config:
    """Return a project's configuration of Alembic, but let Alembic print nothing."""
    return Config(root / "alembic.ini", cmd_opts=Namespace(quiet=True))


def revisions(root: Path = ROOT) -> ScriptDirectory:
    """Return the revisions of a project."""
    return ScriptDirectory.from_config(alembic_config(root))


def next_declaration() -> tuple[str, Leads]:
    """Return the declaration for the next export, with its name: the last of ``crm.py``."""
    return last_declaration(vars(crm))


def check_may_read(connection: Connection, config: Config) -> None:
    """Raise ``DatabaseRefused`` unless the role may read stamp, ledger and leads."""
    leads = [import_.leads for import_ in imports_of(config)]
    check_reader(connection, leads, version_table(config))


@contextmanager
def reading(doing: str) -> Iterator[Connection]:
    """Connect, commit statement by statement, and log to standard error.

    doing: what an error says was going on, such as "reading the ledger".
    """
    with connected(doing) as connection:
        yield connection.execution_options(isolation_level="AUTOCOMMIT")


@contextmanager
def connected(doing: str) -> Iterator[Connection]:
    """Connect, and log to standard error. doing: as for ``reading``."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with database_of(alembic_config()) as url, connect(url) as connection:
        try:
            yield connection
        except DBAPIError as error:
            raise from_database(error, doing) from None
