"""The ways to compare: both limits, ours, and other tools in their own virtual environment."""

import hashlib
import shutil
import subprocess
import venv
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import URL

from benchmarks.server import ROOT, Server
from benchmarks.work import BY_KEY, BY_TEXT, COLUMNS, Work, bring_to
from tests.support.bundled import FIELDS, IMPORT
from tests.support.database import shown

__all__ = [
    "LIMIT",
    "OURS",
    "PEERS",
    "PLAIN_LIMIT",
    "Unavailable",
    "Way",
    "install_peers",
    "version_of",
]

VENV = ROOT / ".venv-bench"
SCRIPTS = ROOT / "benchmarks" / "peers"
REQUIREMENTS = ROOT / "benchmarks" / "requirements-peers.txt"
LIQUIBASE = "liquibase@4.28.1"


class Unavailable(Exception):
    """A way does not run on this machine. The message says why."""


@dataclass(frozen=True)
class Way:
    """One way to bring an export into the leads.

    command: makes the command to time, from the work, the database and the server.
    unique: the expression its upsert needs a unique index on: our key or the phone's text. If None,
    there is the import's plain index on our key.
    prepare: SQL to run first, not timed. most: records, because more would take too long.
    slow: runs in one round only.
    """

    name: str
    command: Callable[[Work, URL, Server], list[str]]
    unique: str | None = None
    prepare: tuple[str, ...] = ()
    most: int | None = None
    slow: bool = False


def _limit_sql(work: Work, unique: str) -> tuple[str, ...]:
    """Return the least the server needs: clean rows by COPY, and one statement."""
    columns = ", ".join(COLUMNS)
    new = ", ".join(f"{column} = excluded.{column}" for column in FIELDS)
    return (
        f"CREATE TEMPORARY TABLE clean AS SELECT {columns} FROM leads LIMIT 0",
        f"\\copy clean FROM '{work.rows}'",
        f"""
        INSERT INTO leads ({columns}, updated_at) SELECT {columns}, created_at FROM clean
        ON CONFLICT ({unique})
        DO UPDATE SET {new}, updated_at = now()
        """,
    )


def _limit(name: str, unique: str) -> Way:
    def command(work: Work, url: URL, server: Server) -> list[str]:
        commands = [part for statement in _limit_sql(work, unique) for part in ("-c", statement)]
        return [server.program("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", shown(url), *commands]

    return Way(name, command, unique)


def _ours(work: Work, url: URL, server: Server) -> list[str]:
    return bring_to(IMPORT, work)


def _script(name: str) -> Callable[[Work, URL, Server], list[str]]:
    def command(work: Work, url: URL, server: Server) -> list[str]:
        return [str(VENV / "bin" / "python"), str(SCRIPTS / name), shown(url), str(work.export)]

    return command


def _sling(work: Work, url: URL, server: Server) -> list[str]:
    found = [*VENV.glob("lib/python*/site-packages/sling_*/bin/sling-*")]
    if not found:
        raise Unavailable("no program for this system on PyPI")
    found[0].chmod(0o755)
    select = ",".join(COLUMNS)
    return [
        *(str(found[0]), "run", "--src-stream", f"file://{work.export}", "--tgt-conn", shown(url)),
        *(
            "--tgt-object",
            "public.leads",
            "--mode",
            "incremental",
            "--primary-key",
            "phone",
            "--select",
            select,
        ),
        *("--src-options", "{format: json, flatten: true}"),
        *(
            "--tgt-options",
            "{column_casing: source, adjust_column_type: false, add_new_columns: false}",
        ),
    ]


def _liquibase(work: Work, url: URL, server: Server) -> list[str]:
    program = VENV / "node_modules" / "liquibase" / "dist" / "liquibase" / "liquibase"
    if not program.exists():
        raise Unavailable("needs npm and Java")
    host, port = server.tcp_address()
    (work.rows.parent / "liquibase.xml").write_text(_CHANGELOG, encoding="utf-8")
    return [
        *(
            "sh",
            str(program),
            "--changelog-file=liquibase.xml",
            f"--search-path={work.rows.parent}",
        ),
        *(f"--url=jdbc:postgresql://{host}:{port}/{url.database}", f"--username={url.username}"),
        *(f"--password={url.password or 'none'}", "update"),
    ]


_CHANGELOG = f"""<?xml version="1.0" encoding="UTF-8"?>
<databaseChangeLog xmlns="http://www.liquibase.org/xml/ns/dbchangelog"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
    xsi:schemaLocation="http://www.liquibase.org/xml/ns/dbchangelog
        http://www.liquibase.org/xml/ns/dbchangelog/dbchangelog-latest.xsd">
    <changeSet id="1" author="bench">
        <loadUpdateData tableName="leads" file="rows.csv" primaryKey="phone" encoding="UTF-8">
            {"".join(f'<column name="{column}" type="STRING"/>' for column in FIELDS)}
            <column name="created_at" type="TIMESTAMP"/>
        </loadUpdateData>
    </changeSet>
</databaseChangeLog>
"""


LIMIT = _limit("limit on our key: psql \\copy, one INSERT … ON CONFLICT", BY_KEY)
PLAIN_LIMIT = _limit("plain limit: the same on the phone's text", BY_TEXT)
OURS = Way("ours: alembic upgrade", _ours)
PEERS = {
    "sling": Way("sling, incremental", _sling, BY_TEXT),
    "sqlalchemy": Way(
        "SQLAlchemy Core, on_conflict, 1000 a statement", _script("sqlalchemy_core.py"), BY_KEY
    ),
    "dlt": Way(
        "dlt, merge (upsert)",
        _script("dlt_merge.py"),
        BY_TEXT,
        prepare=("ALTER TABLE leads ADD _dlt_load_id text, ADD _dlt_id text",),
    ),
    "pandas": Way("pandas.to_sql, ON CONFLICT", _script("pandas_to_sql.py"), BY_KEY),
    "liquibase": Way("Liquibase, loadUpdateData", _liquibase, BY_TEXT, most=10_000),
    "django": Way("the original Django loop", _script("django_loop.py"), BY_TEXT, slow=True),
}


def install_peers() -> None:
    """Make the peers' virtual environment, unless it fits the requirements already."""
    stamp = VENV / "installed"
    has_java = bool(shutil.which("npm") and shutil.which("java"))
    wanted = hashlib.sha256(
        REQUIREMENTS.read_bytes() + f"{LIQUIBASE} {has_java}".encode()
    ).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    venv.create(VENV, with_pip=True, clear=True)
    pip = [
        str(VENV / "bin" / "python"),
        "-m",
        "pip",
        "--disable-pip-version-check",
        "install",
        "-q",
    ]
    subprocess.run([*pip, "-r", str(REQUIREMENTS)], check=True)
    if has_java:
        npm = [
            "npm",
            "install",
            "--silent",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--prefix",
            str(VENV),
        ]
        subprocess.run([*npm, LIQUIBASE], check=True)
    stamp.write_text(wanted)


def version_of(name: str) -> str:
    """Return a peer's pinned version."""
    pinned = {"liquibase": LIQUIBASE.partition("@")[2]}
    for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines():
        package, _, version = line.partition(";")[0].partition("==")
        pinned[package.partition("[")[0].partition("-linux")[0].lower()] = version.strip()
    return pinned[name]
