"""A CRM's database as the tests see it: run the migrations on it, take its picture, check what must
hold.

``assert_imported`` is the one checker of the promises; every test that imports ends with it. What
it expects comes from a plain loop over the records, written without the importer.
"""

import json
import os
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Connection, NullPool, Row, create_engine, text

import migrations
from tests.support import released

ROOT = Path(migrations.__file__).parents[1]
"""The project that the tests import: see ``released``."""
EXPORT = ROOT / "data" / "production_leads_export.json"
IMPORT = released.IMPORT
BEFORE_IMPORT = "0003_ledger"

FIELDS = (
    "lead_number",
    "full_name",
    "phone",
    "email",
    "status",
    "address1",
    "postal_code",
    "notes",
    "assigned_agent",
)

Rows = dict[Any, dict[str, Any]]
Record = dict[str, Any]


def records() -> list[Record]:
    """The bundled export."""
    loaded: list[Record] = json.loads(EXPORT.read_text(encoding="utf-8"))
    return loaded


def shown(url: URL) -> str:
    """A URL as ``DATABASE_URL`` holds it."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def alembic(
    url: URL | None, *arguments: str, root: Path = ROOT, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run ``alembic`` as a deploy does: a process of its own, its output as one text."""
    options = _as_deploy(url, root, environ)
    return subprocess.run(
        alembic_command(*arguments, root=root), check=False, timeout=120, **options
    )


def start_alembic(
    url: URL, *arguments: str, root: Path = ROOT, **environ: str
) -> subprocess.Popen[str]:
    """Like ``alembic``, but running on."""
    return subprocess.Popen(
        alembic_command(*arguments, root=root), **_as_deploy(url, root, environ)
    )


def alembic_command(*arguments: str, root: Path = ROOT) -> list[str]:
    return [sys.executable, "-m", "alembic", "-c", str(root / "alembic.ini"), *arguments]


def _as_deploy(url: URL | None, root: Path, environ: dict[str, str]) -> dict[str, Any]:
    given = {
        name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "RENDER")
    }
    if url is not None:
        given["DATABASE_URL"] = shown(url)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return {"env": given | environ, "cwd": root, **streams}


def upgrade(url: URL, revision: str = IMPORT, *x: str) -> None:
    """``alembic -x … upgrade REVISION`` in this process."""
    with _database_url(url):
        command.upgrade(_config(x), revision)


def downgrade(url: URL, revision: str = BEFORE_IMPORT, *x: str) -> None:
    """``alembic -x … downgrade REVISION`` in this process."""
    with _database_url(url):
        command.downgrade(_config(x), revision)


def _config(x: Iterable[str]) -> Config:
    config = Config(ROOT / "alembic.ini", cmd_opts=Namespace(x=list(x), quiet=True))
    config.attributes["configure_logger"] = False
    return config


@contextmanager
def _database_url(url: URL) -> Iterator[None]:
    before = os.environ.get("DATABASE_URL")
    os.environ["DATABASE_URL"] = shown(url)
    try:
        yield
    finally:
        if before is None:
            del os.environ["DATABASE_URL"]
        else:
            os.environ["DATABASE_URL"] = before


@contextmanager
def connected(url: URL) -> Iterator[Connection]:
    """A connection whose statements are committed one by one."""
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection


def run(url: URL, sql: str, **parameters: object) -> list[Row[Any]]:
    """Run one statement; its rows, if it has any."""
    with connected(url) as connection:
        result = connection.execute(text(sql), parameters)
        return list(result.all()) if result.returns_rows else []


def value(url: URL, sql: str, **parameters: object) -> Any:
    """The one value that a statement returns."""
    return run(url, sql, **parameters)[0][0]


def add_lead(url: URL, **fields: object) -> int:
    """Add a lead as the site does; returns its id."""
    names = ", ".join(fields)
    values = ", ".join(f":{name}" for name in fields)
    lead_id: int = value(
        url, f"INSERT INTO leads ({names}) VALUES ({values}) RETURNING id", **fields
    )
    return lead_id


@dataclass(frozen=True)
class Picture:
    """Everything in the database, but the ledger; rows by their key, leads with their
    phone's key."""

    leads: Rows
    users: Rows
    settings: Rows
    lead_audit: Rows


def picture(url: URL) -> Picture:
    """Take the picture of a database."""
    with connected(url) as connection:
        return Picture(
            leads=_rows(
                connection, "SELECT *, lead_phone_key_v1(phone) AS phone_key FROM leads ORDER BY id"
            ),
            users=_rows(connection, "SELECT * FROM users ORDER BY id"),
            settings=_rows(connection, "SELECT * FROM settings ORDER BY key"),
            lead_audit=_rows(connection, "SELECT * FROM lead_audit ORDER BY id"),
        )


def _rows(connection: Connection, sql: str) -> Rows:
    rows = [dict(row._mapping) for row in connection.execute(text(sql))]
    return {next(iter(row.values())): row for row in rows}


def keys_of(url: URL, phones: Iterable[str]) -> dict[str, str | None]:
    """The phone keys that the database gives to some spellings."""
    sql = "SELECT phone, lead_phone_key_v1(phone) AS key FROM unnest(:phones) AS phone"
    return {row.phone: row.key for row in run(url, sql, phones=list(phones))}


def imported_by_hand(url: URL, before: Picture, export: list[Record]) -> tuple[Rows, list[Record]]:
    """What a plain loop would make of the leads: those that were there, by id, and the new ones."""
    keys = keys_of(url, [record["phone"] for record in export])
    there = {lead_id: dict(lead) for lead_id, lead in before.leads.items()}
    current = {
        lead["phone_key"]: lead
        for lead in there.values()
        if lead["duplicate_of"] is None and lead["phone_key"]
    }
    new: list[Record] = []
    for record in export:
        lead = current.get(keys[record["phone"]])
        if lead is None:
            lead = {field: record[field] for field in FIELDS} | {"created_at": record["created_at"]}
            current[keys[record["phone"]]] = lead
            new.append(lead)
        else:
            lead.update({field: record[field] for field in FIELDS if record[field] != ""})
    return there, new


def assert_imported(
    url: URL,
    before: Picture,
    export: list[Record] | None = None,
    revision: str = IMPORT,
    *,
    rejected: int = 0,
) -> None:
    """Check every promise of an import that has run to its end, against the picture from before it.

    export: its good records, the bundled ones if not given; rejected: how many others were set
    aside. Nobody may have edited leads meanwhile.
    """
    export = records() if export is None else export
    after = picture(url)
    there, new = imported_by_hand(url, before, export)
    assert after.users == before.users
    assert after.settings == before.settings
    assert after.lead_audit == before.lead_audit
    assert before.leads.keys() <= after.leads.keys(), "leads were deleted"
    touched = {i for i, lead in there.items() if _fields(lead) != _fields(before.leads[i])}
    for lead_id, lead in there.items():
        found = after.leads[lead_id]
        assert _fields(found) == _fields(lead)
        assert found["created_at"] == lead["created_at"]
        if lead_id not in touched:
            assert found == before.leads[lead_id]
    created = [lead for lead_id, lead in after.leads.items() if lead_id not in before.leads]
    assert sorted(map(_with_time, created)) == sorted(map(_with_time, new))
    found_ledger = _assert_ledger(
        url, before, revision, created={lead["id"] for lead in created}, updated=touched
    )
    assert found_ledger.rejected == rejected
    assert found_ledger.records == len(export) + rejected


def _assert_ledger(
    url: URL, before: Picture, revision: str, *, created: set[int], updated: set[int]
) -> Row[Any]:
    with connected(url) as connection:
        parameters = {"revision": revision}
        live = "SELECT * FROM lead_imports WHERE revision = :revision AND reverted_at IS NULL"
        ledger = connection.execute(text(live), parameters).one()
        of_import = f"WHERE import_id = {ledger.id}"
        batches = connection.execute(
            text(f"SELECT * FROM lead_import_batches {of_import} ORDER BY first_record")
        ).all()
        images = connection.execute(text(f"SELECT * FROM lead_before_images {of_import}")).all()
    assert ledger.next_record == ledger.records
    assert ledger.finished_at is not None
    assert ledger.created == len(created)
    assert ledger.updated == len(updated)
    for count in ("created", "updated", "unchanged", "rejected", "folded"):
        assert getattr(ledger, count) == sum(getattr(batch, count) for batch in batches)
    counted = ledger.created + ledger.updated + ledger.unchanged + ledger.rejected + ledger.folded
    assert counted == ledger.records
    edges = [0] + [batch.next_record for batch in batches]
    assert [batch.first_record for batch in batches] == edges[:-1]
    assert edges[-1] == ledger.records
    assert sorted(lead_id for batch in batches for lead_id in batch.created_ids) == sorted(created)
    assert {image.lead_id: _fields(dict(image._mapping)) for image in images} == {
        lead_id: _fields(before.leads[lead_id]) for lead_id in updated
    }
    return ledger


def _fields(lead: Mapping[str, Any]) -> dict[str, Any]:
    return {field: lead[field] for field in FIELDS}


def _with_time(lead: Mapping[str, Any]) -> tuple[Any, ...]:
    moment = lead["created_at"]
    moment = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return (*_fields(lead).values(), moment)


def slow_down(url: URL, seconds: float) -> None:
    """Let each lead that is added take its time, so that a test can act in the middle of an
    import."""
    body = f"BEGIN PERFORM pg_sleep({seconds}); RETURN NEW; END"
    run(url, f"CREATE FUNCTION take_your_time() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
    run(
        url,
        "CREATE TRIGGER slow BEFORE INSERT ON leads FOR EACH ROW EXECUTE FUNCTION take_your_time()",
    )


def speed_up(url: URL) -> None:
    """Take ``slow_down`` back."""
    run(url, "DROP TRIGGER slow ON leads")
    run(url, "DROP FUNCTION take_your_time()")


def wait_until_alone(url: URL) -> None:
    """Wait until nobody else is connected: a session's last numbers reach the server's counters
    when it ends."""
    wait_until(
        url,
        """
        SELECT count(*) = 0 FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND datname = current_database()
            AND pid <> pg_backend_pid()
        """,
    )


def wait_until(url: URL, sql: str, seconds: float = 30) -> None:
    """Wait until a query returns something true. Raises ``AssertionError`` when the time is
    over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value(url, sql):
            return
        time.sleep(0.02)
    raise AssertionError(f"never came true: {sql}")
