"""Leads as a downgrade must leave them, by a rule in plain Python, and what tests do to leads."""

from typing import Any, NamedTuple

from sqlalchemy import URL

from tests.support.bundled import FIELDS
from tests.support.crm import keys_of
from tests.support.database import run

Leads = dict[int, dict[str, Any]]
"""Every lead with all its columns, by id. Times are texts, so infinity can be one too."""


class Counts(NamedTuple):
    """The counts in the receipt of a revert."""

    restored: int = 0
    kept: int = 0
    removed: int = 0
    referenced: int = 0


def leads(url: URL) -> Leads:
    """Return every lead as it is."""
    return {
        row.id: row.lead
        for row in run(url, "SELECT id, to_jsonb(leads) AS lead FROM leads ORDER BY id")
    }


def row_versions(url: URL) -> dict[int, str]:
    """Return the transaction of each lead's last write."""
    return {row.id: row.xmin for row in run(url, "SELECT id, xmin\\:\\:text AS xmin FROM leads")}


def counts(url: URL) -> Counts:
    """Return the counts of the last import's receipt. Its revert must be complete."""
    row = run(url, "SELECT * FROM lead_imports ORDER BY id DESC LIMIT 1")[0]
    assert row.reverted_at is not None
    assert row.revert_next_record == row.records
    return Counts(row.restored, row.kept, row.removed, row.referenced)


def found_by_phone(url: URL, phone: str) -> int:
    """Return the id of the current lead with this phone."""
    sql = "SELECT id FROM leads WHERE lead_phone_key_v1(phone) = :key"
    lead_id: int = run(url, sql, key=keys_of(url, [phone])[phone])[0].id
    return lead_id


def edit(url: URL, lead_id: int, **fields: object) -> None:
    """Edit a lead as the site does, moving ``updated_at``."""
    fields = {"updated_at": "2031-01-01T00:00:00+00:00"} | fields
    changes = ", ".join(f"{name} = :{name}" for name in fields)
    run(url, f"UPDATE leads SET {changes} WHERE id = :lead_id", lead_id=lead_id, **fields)


def as_reverted(
    before: Leads,
    imported: Leads,
    edited: Leads,
    *,
    remove: bool = False,
    referenced: frozenset[int] = frozenset(),
    touched: frozenset[int] = frozenset(),
) -> tuple[Leads, Counts]:
    """Return the leads a downgrade must leave, and its counts.

    before, imported, edited: the leads before the import, after it, and when the downgrade began.
    remove: whether created leads are to go. referenced: leads other tables refer to. touched: leads
    written since the import.
    """
    after: Leads = {}
    restored = kept = removed = spared = 0
    for lead_id, lead in edited.items():
        was, became = before.get(lead_id), imported.get(lead_id)
        if was is not None and became is not None and was != became:
            written = [name for name in (*FIELDS, "updated_at") if was[name] != became[name]]
            after[lead_id] = lead | {
                name: was[name] for name in written if lead[name] == became[name]
            }
            if any(after[lead_id][name] != was[name] for name in FIELDS):
                kept += 1
            else:
                restored += 1
            continue
        created = was is None and became is not None
        untouched = lead == became and lead_id not in touched
        if created and remove and untouched and lead_id not in referenced:
            removed += 1
            continue
        after[lead_id] = lead
        if created and remove and untouched:
            spared += 1
        elif created and remove:
            kept += 1
    return after, Counts(restored, kept, removed, spared)
