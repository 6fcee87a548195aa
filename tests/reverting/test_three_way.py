"""Whatever people do to leads after an import, the downgrade follows one rule, field by field."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL

from tests.conftest import NewDatabase, Template
from tests.support.bundled import BEFORE_IMPORT, FIELDS, IMPORT, Record, records
from tests.support.crm import add_lead
from tests.support.database import run
from tests.support.exports import bundle
from tests.support.reverts import Leads, as_reverted, counts, leads, row_versions
from tests.support.upgrades import downgrade, upgrade

ACTIONS = ("NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT")


def build_crm_with_children(url: URL) -> None:
    """Make leads with nullable fields and a column no import knows, and a table that refers to them
    in every way possible."""
    upgrade(url, BEFORE_IMPORT)
    for field in FIELDS:
        run(url, f"ALTER TABLE leads ALTER {field} DROP NOT NULL")
    run(url, "ALTER TABLE leads ADD COLUMN score integer")
    columns = (
        f"c{n} bigint REFERENCES leads ON DELETE {action}" for n, action in enumerate(ACTIONS)
    )
    run(url, f"CREATE TABLE calls ({', '.join(columns)})")


class People:
    """People in a CRM, acting at random."""

    def __init__(self, seed: int, url: URL) -> None:
        self.random = random.Random(seed)
        self.url = url
        self._phones = (f"0711100{n:04d}" for n in range(10_000))

    def a_value(self, record: Record, field: str) -> str | None:
        if field == "phone":
            return next(self._phones)
        known: str = record[field]
        return self.random.choice([known, known.upper(), "", None, "by hand", "ünïcode\t\\N\n"])

    def an_export(self) -> list[Record]:
        export = self.random.sample(records(), 60)
        blanks = [record | {self.random.choice(FIELDS): ""} for record in export]
        export = [
            record if record["phone"] else {**record, "phone": next(self._phones)}
            for record in blanks
        ]
        for _ in range(8):
            again = self.random.choice(export) | {"full_name": "Again", "notes": ""}
            export.insert(self.random.randrange(len(export)), again)
        return export

    def add_leads(self, export: list[Record]) -> None:
        for record in self.random.sample(export, 35):
            lead = {field: record[field] for field in FIELDS}
            for field in self.random.sample(FIELDS, self.random.randrange(len(FIELDS))):
                if field != "phone":
                    lead[field] = self.a_value(record, field)
            moment = self.random.choice(
                ["2020-01-01", "infinity", "-infinity", record["created_at"]]
            )
            same = "SELECT 1 FROM leads WHERE lead_phone_key_v1(phone) = lead_phone_key_v1(:phone)"
            if not run(self.url, same, phone=lead["phone"]):
                add_lead(self.url, **lead, created_at=record["created_at"], updated_at=moment)

    def go_on(self, before: Leads, imported: Leads) -> frozenset[int]:
        """Edit, delete, score and refer to leads. Return the leads that calls refer to."""
        shuffled = self.random.sample(list(imported), len(imported))
        deleted, scored, called = shuffled[:5], shuffled[5:8], shuffled[8:20]
        run(self.url, "DELETE FROM leads WHERE id = ANY(:ids)", ids=deleted)
        run(self.url, "UPDATE leads SET score = 5 WHERE id = ANY(:ids)", ids=scored)
        for lead_id, column in zip(called, self._columns(), strict=False):
            run(self.url, f"INSERT INTO calls ({column}) VALUES (:id)", id=lead_id)
        for lead_id in shuffled[15:45]:
            for field in self.random.sample(FIELDS, self.random.choice([0, 1, 1, 2, len(FIELDS)])):
                old = before.get(lead_id, imported[lead_id])[field]
                value = self.random.choice([old, self.a_value(records()[0], field)])
                touch = self.random.choice([", updated_at = now()", ""])
                run(
                    self.url,
                    f"UPDATE leads SET {field} = :value{touch} WHERE id = :id",
                    value=value,
                    id=lead_id,
                )
        return frozenset(called)

    def _columns(self) -> Iterator[str]:
        while True:
            yield f"c{self.random.randrange(len(ACTIONS))}"


@pytest.mark.parametrize("seed", range(4))
def test_each_field_goes_back_unless_somebody_has_edited_it(
    seed: int,
    new_database: NewDatabase,
    template: Template,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Compare each field and the receipt's counts with a plain loop over three pictures."""
    url = new_database(template("crm_with_children", build_crm_with_children))
    people = People(seed, url)
    export = people.an_export()
    bundle(export, monkeypatch, tmp_path)
    people.add_leads(export)
    before = leads(url)
    upgrade(url, IMPORT, f"batch-size={people.random.choice([5, 1000])}")
    imported = leads(url)
    versions = row_versions(url)
    called = people.go_on(before, imported)
    now = row_versions(url)
    touched = frozenset(lead_id for lead_id in now if now[lead_id] != versions[lead_id])
    run(url, "TRUNCATE lead_audit")
    calls = run(url, "SELECT * FROM calls ORDER BY ctid")
    remove = seed % 2 == 0
    expected, expected_counts = as_reverted(
        before, imported, leads(url), remove=remove, referenced=called, touched=touched
    )
    assert expected_counts.restored and expected_counts.kept
    assert bool(expected_counts.removed and expected_counts.referenced) is remove
    downgrade(
        url,
        BEFORE_IMPORT,
        f"batch-size={people.random.choice([7, 1000])}",
        *["remove-created"] * remove,
    )
    assert leads(url) == expected
    assert counts(url) == expected_counts
    assert run(url, "SELECT * FROM calls ORDER BY ctid") == calls
    assert run(url, "SELECT * FROM lead_audit") == []
