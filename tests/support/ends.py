"""What must be the same at the end, wherever a run was cut off."""

from collections.abc import Iterable

from sqlalchemy import URL

from tests.support.bundled import FIELDS
from tests.support.database import run

__all__ = ["A_LOCK_IS_WAITED_FOR", "BUNDLED", "LOCK_IS_FREE", "left_by_the_import"]

LOCK_IS_FREE = """
    SELECT count(*) = 0 FROM pg_locks
    WHERE locktype = 'advisory'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""

A_LOCK_IS_WAITED_FOR = """
    SELECT count(*) > 0 FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND wait_event <> 'advisory' AND datname = current_database()
"""

_FIELDS = ", ".join(FIELDS)
BUNDLED = (
    f"SELECT {_FIELDS}, created_at FROM leads ORDER BY phone, id",
    "SELECT username FROM users ORDER BY id",
    "SELECT key, value FROM settings ORDER BY key",
    "SELECT count(*) FROM lead_audit",
)
"""What is in the bundled CRM."""

_COUNTS = "created, updated, unchanged, rejected, folded, shared, restored, kept"
_LEDGER = (
    f"""
    SELECT {_COUNTS}, next_record = records, finished_at IS NOT NULL
    FROM lead_imports ORDER BY id
    """,
    "SELECT record, old_values FROM lead_before_images ORDER BY import_id, record",
    "SELECT version_num FROM alembic_version",
)


def left_by_the_import(url: URL, crm: Iterable[str] = BUNDLED) -> list[object]:
    """Return what is in the CRM, the ledger's counts, and the before-images.

    crm: queries for leads, by phone, and for what no import may touch. They leave out ids, because
    a batch rolled back uses some up, and the times of the run.
    """
    return [run(url, sql) for sql in (*crm, *_LEDGER)]
