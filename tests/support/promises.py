"""What must hold after an import.

``assert_imported`` alone checks the promises, and every importing test ends with it. It expects
what a plain loop over the records makes, written without the importer.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import URL, Row, text

from tests.support.bundled import FIELDS, IMPORT, Record, records
from tests.support.crm import Picture, Rows, keys_of, picture
from tests.support.database import connected


def imported_by_hand(url: URL, before: Picture, export: list[Record]) -> tuple[Rows, list[Record]]:
    """Return the leads a plain loop would leave: those from before, by id, and the new ones."""
    keys = keys_of(url, [record["phone"] for record in export])
    there = {lead_id: dict(lead) for lead_id, lead in before.leads.items()}
    youngest_first = sorted(
        there.values(), key=lambda lead: (lead["created_at"], lead["id"]), reverse=True
    )
    current = {lead["phone_key"]: lead for lead in youngest_first if lead["phone_key"]}
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
    """Check every promise of a complete import, against the picture from before it.

    export: its good records, or None for the bundled ones. rejected: how many others were rejected.
    Nobody may have edited leads in between.
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
    created_ids = [int(id_) for batch in batches for id_ in batch.created_ids]
    assert sorted(created_ids) == sorted(created)
    assert {int(image.lead_id): image.old_values[:-1] for image in images} == {
        lead_id: list(_fields(before.leads[lead_id]).values()) for lead_id in updated
    }
    return ledger


def _fields(lead: Mapping[str, Any]) -> dict[str, Any]:
    return {field: lead[field] for field in FIELDS}


def _with_time(lead: Mapping[str, Any]) -> tuple[Any, ...]:
    moment = lead["created_at"]
    moment = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return (*_fields(lead).values(), moment)
