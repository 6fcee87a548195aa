"""Prepare the work of all ways: an export, and a database with 30 % of its phones.

A plain overwrite and the importer must leave the same leads. So the known leads have the record's
own spelling of the phone, and no value if the record has a blank. An import needs a plain index on
its key. The others need a unique index instead: on the key, or on the phone's text. The text is
cheaper, and half of them can match nothing else. Either way there are five indexes, and the audit
trigger lets everybody pass.
"""

import csv
import hashlib
import io
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psycopg2
from sqlalchemy import URL

from benchmarks.server import WORK, Server
from data.make_export import records, write_export
from migrations.importer.session import copy_text
from tests.support.bundled import BEFORE_IMPORT, FIELDS, IMPORT
from tests.support.database import run, shown
from tests.support.projects import copy_project

__all__ = ["AGAIN", "BY_KEY", "BY_TEXT", "Work", "bring_to", "digest", "prepared", "seeded"]

SEED = 7
COLUMNS = (*FIELDS, "created_at")
AGAIN = "0005_again"
"""A second revision with the same export."""

BY_KEY, BY_TEXT = "lead_phone_key_v1(phone)", "phone"
"""The expressions for an upsert's unique index."""


@dataclass(frozen=True)
class Work:
    """An export of ``records`` leads: as JSON, as rows for COPY, and in a copy of the project."""

    records: int
    export: Path
    rows: Path
    project: Path


@cache
def prepared(size: int, place: Path | None = None) -> Work:
    """Make an export of ``size`` records, or take an earlier one."""
    folder = (place or WORK) / f"{size}-records"
    work = Work(size, folder / "export.json", folder / "rows.txt", folder / "a project")
    folder.mkdir(parents=True, exist_ok=True)
    if not work.rows.exists():
        with open(work.export, "wb") as out:
            write_export(out, size, SEED)
        unfinished = work.rows.with_suffix(".new")
        table = work.rows.with_suffix(".csv")
        with (
            open(unfinished, "wb") as out,
            open(table, "w", encoding="utf-8", newline="") as csv_out,
        ):
            write_csv = csv.writer(csv_out)
            write_csv.writerow(COLUMNS)
            for record in records(size, SEED):
                row = [str(record[column]) for column in COLUMNS]
                out.write(copy_text([[value] for value in row]))
                write_csv.writerow(row)
        unfinished.rename(work.rows)
    _copy_project(work)
    return work


def _copy_project(work: Work) -> None:
    """Copy the project, pin its import revision to the export, time it, and add it once more."""
    shutil.rmtree(work.project, ignore_errors=True)
    copy_project(work.project.parent)
    with open(work.export, "rb") as export:
        sha256 = hashlib.file_digest(export, "sha256").hexdigest()
    (work.project / "data" / work.export.name).hardlink_to(work.export)
    revision = work.project / "migrations" / "versions" / f"{IMPORT}.py"
    code = revision.read_text(encoding="utf-8")
    for name, value in {
        "export": f'"{work.export.name}"',
        "sha256": f'"{sha256}"',
        "masked": f'"{sha256}"',  # invented, as the bundled one
        "records": work.records,
    }.items():
        code = re.sub(rf"(?m)^    {name}=.*,$", f"    {name}={value},", code)
    code = code.replace("    apply(", "    begun = time.perf_counter()\n    apply(", 1)
    code = code.replace(
        "op.get_context())\n",
        'op.get_context())\n    print("own work", time.perf_counter() - begun)\n',
        1,
    )
    code = code.replace("from alembic import op", "import time\n\nfrom alembic import op", 1)
    revision.write_text(code, encoding="utf-8")
    again = code.replace(f'"{IMPORT}"', f'"{AGAIN}"').replace(f'"{BEFORE_IMPORT}"', f'"{IMPORT}"')
    revision.with_stem(AGAIN).write_text(again, encoding="utf-8")


def bring_to(revision: str, work: Work) -> list[str]:
    """Return the command of a deploy, without a short time budget."""
    config = str(work.project / "alembic.ini")
    return [
        sys.executable,
        "-m",
        "alembic",
        "-c",
        config,
        "-x",
        "time-budget=86400",
        "upgrade",
        revision,
    ]


@contextmanager
def seeded(
    server: Server, work: Work, *, unique: str | None = None, more: int = 0
) -> Iterator[URL]:
    """Make a database to copy: the CRM right before the import.

    It has 30 % of the phones and ``more`` other leads. unique: ``BY_KEY`` or ``BY_TEXT`` for other
    tools (see ``Way``), None for ours.
    """
    with server.database() as url:
        command = bring_to(BEFORE_IMPORT, work)
        subprocess.run(
            command,
            check=True,
            cwd=work.project,
            env={"DATABASE_URL": shown(url), "PATH": ""},
            capture_output=True,
        )
        run(url, "ALTER TABLE leads DISABLE TRIGGER USER")
        _add_known(url, work)
        run(
            url,
            f"""
            INSERT INTO leads (lead_number, full_name, phone, email, status, address1, postal_code)
            SELECT
                'X' || n, 'Somebody else', '05' || lpad(n::text, 9, '0'), n || '@example.org',
                'new', n || ' Old Street', 'ZZ99 9ZZ'
            FROM generate_series(1, {more}) AS n
            """,
        )
        run(url, "ALTER TABLE leads ENABLE TRIGGER USER")
        for column in ("email", "status", "lead_number"):
            run(url, f"CREATE INDEX leads_{column} ON leads ({column})")
        if unique:
            _make_upsertable(url, unique)
        run(url, "VACUUM ANALYZE leads")
        yield url


def _make_upsertable(url: URL, unique: str) -> None:
    """Put a unique index in the place of ours, and let ``app.skip_audit`` stand."""
    run(url, "DROP INDEX leads_phone_key_v1")
    run(url, f"CREATE UNIQUE INDEX leads_unique ON leads ({unique})")
    run(url, "ALTER TABLE leads DISABLE TRIGGER audit_only_imports_skip")


def _add_known(url: URL, work: Work) -> None:
    """Add three records in ten as older leads, with another status, address and note."""
    rows = []
    for position, record in enumerate(records(work.records, SEED)):
        if position % 10 in (0, 3, 6):
            note = "Old note." if record["notes"] else ""
            old = record | {"status": "old", "address1": "1 Old Street", "notes": note}
            rows.append([str(old[column]) for column in COLUMNS])
    connection = psycopg2.connect(shown(url))
    with connection, connection.cursor() as cursor:
        copied = io.BytesIO(copy_text(zip(*rows, strict=True)))
        cursor.copy_expert(f"COPY leads ({', '.join(COLUMNS)}) FROM STDIN", copied)
    connection.close()


def digest(url: URL) -> tuple[int, str]:
    """Count the leads, and sum up their content: the export's columns by phone key, in any order.

    Carriage returns in notes do not count, because Liquibase drops them.
    """
    values = ", ".join(["lead_phone_key_v1(phone)", *COLUMNS]).replace(
        "notes", "replace(notes, chr(13), '')"
    )
    found = run(
        url,
        "SELECT count(*) AS leads, "
        f"sum(hashtextextended(concat_ws(E'\\x1f', {values}), 0)::numeric)::text AS total FROM "
        f"leads",
    )[0]
    return found.leads, found.total
