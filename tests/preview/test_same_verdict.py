"""A preview, a dry run and the import after them agree on each lead, for leads and records of every
kind."""

import random
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, text

from tests.support.bundled import FIELDS, IMPORT, Record, records
from tests.support.crm import Picture, picture
from tests.support.database import connected, run
from tests.support.exports import bundle
from tests.support.previews import dry_run_of, preview_of
from tests.support.promises import assert_imported
from tests.support.upgrades import upgrade

LEADS, RECORDS = 400, 250
BAD: tuple[dict[str, Any], ...] = (
    {"phone": "nobody's"},
    {"email": None},
    {"created_at": "soon"},
    {"phone": "none", "notes": 7},
)


class Chance:
    """Leads and an export sharing phones, in other spellings, with blanks, repeats and problems."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.phones = [
            f"07700{n:06d}" for n in self.random.sample(range(1_000_000), LEADS + RECORDS)
        ]

    def spelling(self, phone: str) -> str:
        national = phone[1:]
        return self.random.choice(
            [phone, f"+44{national}", f"0044 {national}", f"+44 (0){national[:4]}-{national[4:]}"]
        )

    def record(self, n: int, phone: str) -> Record:
        record = self.random.choice(records()) | {
            "id": n + 1,
            "phone": self.spelling(phone),
            "full_name": f"Lead {n}",
        }
        return record | {name: "" for name in self.random.sample(FIELDS, 2) if name != "phone"}

    def export(self) -> tuple[list[Record], int]:
        """Return its records, and how many of them are bad."""
        export = [self.record(n, self.random.choice(self.phones)) for n in range(RECORDS)]
        bad = self.random.sample(range(RECORDS), 9)
        for n in bad:
            export[n] |= self.random.choice(BAD)
        return export, len(bad)

    def leads(self, export: list[Record]) -> list[dict[str, Any]]:
        """Return leads, half of them strangers or known by phone alone, some already as in the
        export, some twice."""
        good = [
            record
            for record in export
            if isinstance(record["email"], str) and record["phone"].startswith(("0", "+"))
        ]
        leads = [self.record(n, self.phones[n]) for n in range(LEADS - 80)]
        leads += self.random.sample(good, 60)
        leads += [lead | {"notes": "The same phone."} for lead in self.random.sample(leads, 20)]
        return [{name: lead[name] for name in FIELDS} for lead in leads]


def changed_leads(before: Picture, after: Picture) -> dict[int, dict[str, tuple[str, str]]]:
    """Return the changed fields of each lead, old and new."""
    found = {
        lead_id: {
            name: (lead[name], after.leads[lead_id][name])
            for name in FIELDS
            if lead[name] != after.leads[lead_id][name]
        }
        for lead_id, lead in before.leads.items()
    }
    return {lead_id: fields for lead_id, fields in found.items() if fields}


@pytest.mark.parametrize("seed", range(3))
def test_preview_dry_run_and_import_agree_on_every_lead(
    seed: int, database: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """They have the same counts, and each lead has the same outcome and the same changed fields."""
    chance = Chance(seed)
    export, bad = chance.export()
    upgrade(database, "0001_baseline")
    with connected(database) as site:
        named = ", ".join(f":{name}" for name in FIELDS)
        insert = f"INSERT INTO leads ({', '.join(FIELDS)}) VALUES ({named})"
        site.execute(text(insert), chance.leads(export))
    bundle(export, monkeypatch, tmp_path, rejected="set aside")
    size = f"batch-size={chance.random.choice([7, 1000])}"
    preview = preview_of(database, size)
    rehearsed = dry_run_of(database, size)
    assert preview.imports == rehearsed.imports
    assert (preview.created, preview.changed) == (rehearsed.created, rehearsed.changed)
    upgrade(database, "0003_ledger")
    run(database, "TRUNCATE lead_audit")
    before = picture(database)
    upgrade(database, IMPORT, f"batch-size={chance.random.choice([7, 1000])}")
    after = picture(database)
    ledger = run(
        database, "SELECT created, updated, unchanged, rejected, folded FROM lead_imports"
    )[0]
    assert preview.imports[0].counts == dict(ledger._mapping)
    assert all(ledger), "every outcome should come up"
    assert ledger.rejected == bad
    assert (preview.leads_before, preview.leads_after) == (len(before.leads), len(after.leads))
    told = {
        lead.id: {name: (lead.old[name], lead.new[name]) for name in lead.fields}
        for lead in preview.changed
    }
    assert told == changed_leads(before, after)
    created = [lead for lead_id, lead in after.leads.items() if lead_id not in before.leads]
    values = [tuple(lead[name] for name in FIELDS) for lead in created]
    assert sorted(tuple(lead.values.values()) for lead in preview.created) == sorted(values)
    rejects = run(
        database,
        "SELECT record + 1, field, reason FROM lead_import_rejects ORDER BY record, field, reason",
    )
    assert [tuple(problem) for problem in preview.problems] == [tuple(row) for row in rejects]
    good = [
        record
        for n, record in enumerate(export)
        if n + 1 not in {problem.record for problem in preview.problems}
    ]
    assert_imported(database, before, good, rejected=bad)
