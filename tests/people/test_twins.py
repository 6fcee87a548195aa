"""A twin on a real Postgres: the same phones match, and nobody from the export is anywhere."""

import csv
import io
import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import URL, NullPool, create_engine

from migrations.crm import LEADS
from migrations.importer.phone import key_of
from migrations.twin.mask import Mask
from migrations.twin.phones import is_invented, masked_phone
from migrations.twin.values import kept_fields, masked_record
from migrations.twin.writing import write_twin
from tests.conftest import NewDatabase, Template, build_crm
from tests.support.bundled import FIELDS, ROOT, Record
from tests.support.crm import keys_of
from tests.support.database import run
from tests.support.exports import pin, written
from tests.support.phones import can_be_called
from tests.support.postgres import Databases
from tests.support.upgrades import upgrade

MASK = Mask(bytes(range(32)))
ALREADY_THERE = 3_000

Keys = Callable[[Sequence[str]], list[str | None]]


@pytest.fixture(scope="module")
def keys(databases: Databases, template: Template) -> Iterator[Keys]:
    """Yield a function asking a server for the keys of some phones."""
    url = databases.create(template("crm", build_crm))

    def ask(phones: Sequence[str]) -> list[str | None]:
        found = keys_of(url, phones)
        return [found[phone] for phone in phones]

    yield ask
    databases.drop(str(url.database))


NATIONAL = ["7700900548", "2079460123", "1134960123", "169772345", "4412345678", "8001111"]
FOREIGN = ["12125550123", "390612345678", "49301234567", "491512345678901", "33123456789"]
SPELLINGS: list[Callable[[str], str]] = [
    lambda n: f"0{n}",
    lambda n: f"+44{n}",
    lambda n: f"0044{n}",
    lambda n: f"+44(0){n}",
    lambda n: f"+440{n}",
    lambda n: f"44{n}",
    lambda n: f"tel:+44{n}",
    lambda n: n,
]
INTERNATIONAL: list[Callable[[str], str]] = [
    lambda n: f"+{n}",
    lambda n: f"00{n}",
    lambda n: f"TEL:+{n}",
    lambda n: f"+{n[:2]}(0){n[2:]}",
    lambda n: n,
]
EXTENSIONS = ["", "", "x12", " ext. 12", "#7", ";ext=007", "EXTENSION 1"]
MARKS = [" ", "-", ".", "(", ")", "[", "]", "\u00a0", "\u2011", "\u200b"]


@st.composite
def spelled(draw: st.DrawFn) -> str:
    """Draw one of a few phones, in any spelling."""
    if draw(st.booleans()):
        phone = draw(st.sampled_from(SPELLINGS))(draw(st.sampled_from(NATIONAL)))
    else:
        phone = draw(st.sampled_from(INTERNATIONAL))(draw(st.sampled_from(FOREIGN)))
    for place, mark in draw(st.lists(st.tuples(st.integers(5, 20), st.sampled_from(MARKS)))):
        phone = phone[:place] + mark + phone[place:]
    return phone + draw(st.sampled_from(EXTENSIONS))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(phones=st.lists(spelled(), min_size=30, max_size=60, unique=True))
def test_what_is_one_phone_stays_one_phone(keys: Keys, phones: list[str]) -> None:
    """Two phones stay two, in every spelling the server knows, and as bare digits."""
    known = zip(phones, keys(phones), strict=True)
    # The server judges a trunk zero behind a bare 44.
    real = {phone: key for phone, key in known if key and not key.startswith("440")}
    masked = {phone: masked_phone(MASK, phone) for phone in real}
    invented = dict(zip(masked, keys(list(masked.values())), strict=True))
    assert None not in invented.values(), invented
    assert {phone: key_of(phone) for phone in real} == real
    one_to_one = {(real[phone], invented[phone]) for phone in real}
    assert len(one_to_one) == len(set(real.values())) == len(set(invented.values()))
    assert all(map(is_invented, masked.values()))
    assert [phone for phone in masked.values() if can_be_called(phone)] == []


def respelled(phone: str, chance: random.Random) -> str:
    """Spell a British phone as somebody else writes it."""
    national = key_of(phone).removeprefix("44")
    return chance.choice(SPELLINGS)(national)


@pytest.fixture(scope="module")
def october(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Record], list[Record]]:
    """Make 24,000 records, 4,000 of them repeats in another spelling, and leads with phones of
    some."""
    path = tmp_path_factory.mktemp("october") / "made.json"
    make = [sys.executable, str(ROOT / "data" / "make_export.py"), "--leads=20000", "--seed=5"]
    subprocess.run([*make, "--out", str(path)], check=True)
    export: list[Record] = json.loads(path.read_text())
    chance = random.Random(5)
    leads = [known(record, chance) for record in export[::7][:ALREADY_THERE]]
    again = [
        record | {"phone": respelled(record["phone"], chance), "notes": f"Again, {n}."}
        for n, record in enumerate(chance.sample(export, 4_000))
    ]
    return export + again, leads


def as_read(lead: Record) -> Record:
    """Return a lead as the reader of exports does."""
    return lead | {"created_at": datetime.fromisoformat(lead["created_at"])}


def known(record: Record, chance: random.Random) -> Record:
    """Return a record's lead: the same, edited since, or spelled otherwise."""
    edited = {"notes": "Was told something else.", "email": "somebody@example.org"}
    return chance.choice(
        [
            record,
            record | edited,
            record | {"phone": respelled(record["phone"], chance)},
            record | {"full_name": ""},
        ]
    )


def imported(url: URL, leads: list[Record], path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fill a database with leads and import an export over them."""
    columns = [*FIELDS, "created_at"]
    text = io.StringIO()
    csv.writer(text).writerows([lead[name] for name in columns] for lead in leads)
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        cursor = connection.connection.cursor()
        # An empty value is a value here, not NULL.
        names = ", ".join(columns)
        copy = f"COPY leads ({names}) FROM STDIN (FORMAT csv, FORCE_NOT_NULL ({names}))"
        cursor.copy_expert(copy, io.StringIO(text.getvalue()))
    with monkeypatch.context() as patched:
        pin(path, patched)
        upgrade(url)


COUNTS = "SELECT records, created, updated, unchanged, rejected, folded FROM lead_imports"
CREATED = """
    SELECT made.record, made.id
    FROM lead_import_batches
    CROSS JOIN LATERAL unnest(created_records, created_ids) AS made (record, id)
    ORDER BY made.record
"""
CHANGED = ", ".join(f"old_values[{n}] <> l.{name}" for n, name in enumerate(FIELDS, 1))
FIELDS_CHANGED = f"""
    SELECT lead_id, ARRAY[{CHANGED}] AS changed
    FROM lead_before_images
    JOIN leads AS l ON l.id = CAST(lead_id AS bigint)
    ORDER BY l.id
"""


def test_a_twin_has_the_outcomes_of_its_export(
    new_database: NewDatabase,
    template: Template,
    october: tuple[list[Record], list[Record]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Created leads, updated fields, unchanged leads and folded records are the same ones.

    Two databases with the twin are alike, and hold none of the export's values.
    """
    export, leads = october
    clear = written(export, tmp_path, "october.json")
    twin = tmp_path / "october.masked.json"
    write_twin(clear, twin, MASK, LEADS)
    invented = [
        masked_record(MASK, n, as_read(lead), LEADS.fields, kept_fields(LEADS))
        for n, lead in enumerate(leads, 1)
    ]
    real, staging, other = (new_database(template("crm", build_crm)) for _ in range(3))
    imported(real, leads, clear, monkeypatch)
    for url in (staging, other):
        imported(url, invented, twin, monkeypatch)
    counts = run(real, COUNTS)[0]
    assert counts.records == 24_000 and counts.folded == 4_000
    assert min(counts.created, counts.updated, counts.unchanged) > 200
    for sql in (COUNTS, CREATED, FIELDS_CHANGED):
        assert run(staging, sql) == run(real, sql)
    everybody = "SELECT id, full_name, phone, email, address1, notes, created_at FROM leads"
    assert run(staging, f"{everybody} ORDER BY id") == run(other, f"{everybody} ORDER BY id")
    assert sorted(set(values_of(run(staging, everybody))) & set(personal(export + leads))) == []


def values_of(rows: Sequence[Any]) -> Iterator[str]:
    for row in rows:
        yield from filter(None, row[1:-1])
        yield key_of(row.phone)


def personal(export: list[Record]) -> Iterator[str]:
    for record in export:
        yield from (record[name] for name in ("full_name", "phone", "email", "address1", "notes"))
        yield key_of(record["phone"])
