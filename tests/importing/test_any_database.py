"""Random databases and random exports: the import equals a plain loop, apart from the documented
rules."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import URL

from tests.conftest import NewDatabase, Template, build_crm
from tests.support.bundled import BEFORE_IMPORT, FIELDS, IMPORT, Record
from tests.support.crm import add_lead, picture
from tests.support.database import run, value
from tests.support.exports import bundle
from tests.support.previews import assert_foretold, preview_of
from tests.support.promises import assert_imported
from tests.support.upgrades import downgrade, upgrade

NATIONAL = [f"7700 90000{n}" for n in range(6)] + ["20 7946 0001"]
SPELLINGS = ["0{}", "+44 {}", "+44 (0){}", "0044{}", "{}", "0{} ext. 3", "0{}x3"]

# Any text Postgres can hold: no NUL, no half of a surrogate pair.
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
blanks_or_texts = st.just("") | texts
phones = st.builds(
    lambda spelling, number: spelling.format(number),
    st.sampled_from(SPELLINGS),
    st.sampled_from(NATIONAL),
)
fields = st.fixed_dictionaries(
    {field: blanks_or_texts for field in FIELDS if field not in ("phone", "lead_number")}
)
times = st.sampled_from(
    ["2024-05-01T00:00:00Z", "2025-01-31T23:59:59.5+14:00", "1999-12-31T00:00:00-11:30"]
)

leads = st.lists(
    st.builds(
        lambda phone, rest, created_at: {"phone": phone, **rest, "created_at": created_at},
        phones | st.sampled_from(["", "n/a", "123"]),
        fields,
        times,
    ),
    max_size=8,
)
exports = st.lists(
    st.builds(
        lambda phone, rest, created_at: {
            "lead_number": "MS1",
            "phone": phone,
            **rest,
            "created_at": created_at,
        },
        phones,
        fields,
        times,
    ),
    min_size=1,
    max_size=10,
).map(lambda records: [{"id": n, **record} for n, record in enumerate(records, start=1)])


def build_tables(url: URL) -> None:
    """Create the tables alone, before the phone key's rules exist."""
    build_crm(url)
    downgrade(url, "0001_baseline")


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[
        Phase.generate
    ],  # Each example is a database, so making a failure smaller would take minutes.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(there=leads, export=exports, size=st.sampled_from([1, 3, 1000]))
def test_the_result_is_that_of_the_plain_loop(
    there: list[dict[str, Any]],
    export: list[Record],
    size: int,
    new_database: NewDatabase,
    template: Template,
) -> None:
    """Loop over the records, update the first lead with the same phone or add one, and expect the
    same from one import, from two, and from the preview."""
    url = new_database(template("tables", build_tables))
    for lead in there:
        add_lead(url, **lead)
    run(url, "TRUNCATE lead_audit")
    as_they_are = "SELECT xmin::text, leads::text FROM leads ORDER BY id"
    there_before = run(url, as_they_are)
    upgrade(url, BEFORE_IMPORT)
    assert run(url, as_they_are) == there_before
    before = picture(url)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as monkeypatch:
        bundle(export, monkeypatch, Path(folder))
        preview = preview_of(url)
        assert run(url, as_they_are) == there_before
        upgrade(url, IMPORT, f"batch-size={size}")
        assert_foretold(preview, url)
        assert_imported(url, before, export)
        after = run(url, as_they_are)
        run(
            url,
            "TRUNCATE lead_imports, lead_import_batches, lead_import_rejects, lead_before_images",
        )
        run(url, "UPDATE alembic_version SET version_num = :before", before=BEFORE_IMPORT)
        upgrade(url, IMPORT)
        assert run(url, as_they_are) == after
        assert value(url, "SELECT created + updated FROM lead_imports") == 0
