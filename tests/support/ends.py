"""What must be the same at the end, wherever a run was cut off."""

from sqlalchemy import URL

from tests.support.bundled import FIELDS
from tests.support.database import run

__all__ = ["A_LOCK_IS_WAITED_FOR", "LOCK_IS_FREE", "left_by_the_import"]

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
_COUNTS = "created, updated, unchanged, rejected, folded, restored, kept"
_LEFT = (
    f"SELECT {_FIELDS}, created_at FROM leads ORDER BY phone, id",
    f"""
    SELECT {_COUNTS}, next_record = records, finished_at IS NOT NULL
    FROM lead_imports ORDER BY id
    """,
    f"SELECT record, {_FIELDS}, updated_at FROM lead_before_images ORDER BY import_id, record",
    "SELECT username FROM users ORDER BY id",
    "SELECT key, value FROM settings ORDER BY key",
    "SELECT count(*) FROM lead_audit",
    "SELECT version_num FROM alembic_version",
)


def left_by_the_import(url: URL) -> list[object]:
    """Leads by their phone, the counts of the ledger, before-images, and what no import may touch.

    Without ids, which a batch that was rolled back has used up, and without the times of the run.
    """
    return [run(url, sql) for sql in _LEFT]
