"""Records with the same phone are folded as if imported one by one, whatever the batch size."""

from pathlib import Path

import pytest
from sqlalchemy import URL

from tests.conftest import NewDatabase, Template, build_crm_with_leads
from tests.support.bundled import IMPORT, Record, records
from tests.support.crm import picture
from tests.support.database import run
from tests.support.exports import bundle
from tests.support.promises import assert_imported
from tests.support.upgrades import upgrade


def repeated() -> list[Record]:
    """Repeat some phones of the bundled export, near and far, in other spellings and with
    blanks."""
    export = records()
    again = [
        export[0]
        | {
            "phone": "+44 (0)" + export[0]["phone"].lstrip("+40 "),
            "full_name": "Later",
            "notes": "",
        },
        export[1] | {"full_name": "", "status": "booked", "created_at": "2025-12-31T00:00:00Z"},
        export[1] | {"email": "later@example.net", "status": ""},
    ]
    return [
        *export[:30],
        *again,
        *export[30:],
        export[40] | {"full_name": "Last"},
        export[0] | {"status": "last"},
    ]


@pytest.mark.parametrize("size", [1, 7, 20, 1000])
def test_the_last_record_of_a_phone_wins_in_batches_of(
    size: int,
    new_database: NewDatabase,
    template: Template,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Each phone becomes one lead with the last non-blank values, and its other records count as
    folded."""
    url = new_database(template("crm_with_leads", build_crm_with_leads))
    export = repeated()
    bundle(export, monkeypatch, tmp_path)
    before = picture(url)
    upgrade(url, IMPORT, f"batch-size={size}")
    assert_imported(url, before, export)
    assert run(url, "SELECT folded FROM lead_imports")[0].folded == 5


def test_folded_records_change_nothing_the_second_time(
    crm: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Import an export with repeated phones twice, and the second time leaves every lead alone."""
    bundle(repeated(), monkeypatch, tmp_path)
    upgrade(crm, IMPORT, "batch-size=7")
    written = "SELECT xmin::text, leads::text FROM leads ORDER BY id"
    before = run(crm, written)
    run(crm, "TRUNCATE lead_imports, lead_import_batches, lead_import_rejects, lead_before_images")
    run(crm, "UPDATE alembic_version SET version_num = '0003_ledger'")
    upgrade(crm, IMPORT, "batch-size=20")
    assert run(crm, written) == before
