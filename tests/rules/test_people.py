"""Which people belong where, case by case, without opening a file or a connection."""

import hashlib
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast

import pytest
from alembic.config import Config
from msgspec.structs import replace

from migrations.crm import LEADS
from migrations.deploy.given import names_database
from migrations.deploy.people import BUNDLED as BUNDLED_SHA256
from migrations.deploy.people import Held, WrongPeople, choose_people, held_by
from migrations.importer.context import People
from migrations.importer.ledger import Receipt
from migrations.importer.pinned import Import
from tests.support.bundled import EXPORT

OCTOBER = Import("0005_october", "october.json", "a" * 64, 2, LEADS)
"""Nobody has described its people."""
TWINNED = replace(OCTOBER, masked="b" * 64)
BUNDLED = Import("0004_bundled", "bundled.json", "c" * 64, 3, LEADS, masked="c" * 64)
"""Its people are invented, so it is its own twin."""

PREVIEW = {"IS_PULL_REQUEST": "true"}
REAL, INVENTED = {"LEADS_PEOPLE": "real"}, {"LEADS_PEOPLE": "invented"}
SAID_NOTHING: dict[str, str] = {}
LOCAL = {"the database": "is a developer's own"}

WITHOUT_TWIN = "Invented people belong in this database, but october.json has no twin."
NOT_HERE = "This is a preview of a pull request, and october.json has no twin"
SAY = "Nobody has said which people belong in this database."


@pytest.mark.parametrize(
    ("environ", "pending", "expected"),
    [
        (PREVIEW, [TWINNED], "invented"),
        (PREVIEW, [OCTOBER], NOT_HERE),
        (PREVIEW, [BUNDLED], "invented"),
        (PREVIEW, [BUNDLED, TWINNED], "invented"),
        (PREVIEW, [BUNDLED, OCTOBER], NOT_HERE),
        (PREVIEW | REAL, [TWINNED], "invented"),
        (PREVIEW | REAL, [OCTOBER], NOT_HERE),
        (PREVIEW | {"LEADS_PEOPLE": "nonsense"}, [TWINNED], "invented"),
        ({"IS_PULL_REQUEST": "false"} | REAL, [OCTOBER], "real"),
        (REAL, [TWINNED], "real"),
        (REAL, [OCTOBER], "real"),
        (REAL | SAID_NOTHING, [OCTOBER], "real"),
        (REAL, [BUNDLED], "LEADS_PEOPLE=real, but the people in bundled.json are invented."),
        (INVENTED, [TWINNED], "invented"),
        (INVENTED, [OCTOBER], WITHOUT_TWIN),
        (INVENTED, [BUNDLED], "invented"),
        (INVENTED, [TWINNED, OCTOBER], WITHOUT_TWIN),
        (LOCAL, [TWINNED], "invented"),
        (LOCAL, [OCTOBER], "real"),
        (LOCAL, [BUNDLED], "real"),
        (LOCAL, [BUNDLED, TWINNED], "invented"),
        (LOCAL, [TWINNED, OCTOBER], WITHOUT_TWIN),
        (SAID_NOTHING, [TWINNED], SAY),
        (SAID_NOTHING, [BUNDLED, TWINNED], SAY),
        (SAID_NOTHING, [OCTOBER], "real"),
        (SAID_NOTHING, [BUNDLED], "real"),
        (SAID_NOTHING, [BUNDLED, OCTOBER], "real"),
        (SAID_NOTHING | {"LEADS_PEOPLE": " "}, [TWINNED], SAY),
        (SAID_NOTHING | {"LEADS_PEOPLE": "Real"}, [OCTOBER], "LEADS_PEOPLE=Real: expected real or"),
        (LOCAL | {"LEADS_PEOPLE": "twin"}, [BUNDLED], "LEADS_PEOPLE=twin: expected real or"),
        (SAID_NOTHING | {"LEADS_PEOPLE": "Real"}, [], "real"),
        (SAID_NOTHING, [], "real"),
    ],
)
def test_a_place_takes_its_people_or_is_refused(
    environ: dict[str, str], pending: list[Import], expected: str
) -> None:
    """A refusal says what to do, and the empty database holds nobody."""
    if expected in ("real", "invented"):
        assert (
            choose_people(environ, pending, is_local=LOCAL.items() <= environ.items()) == expected
        )
        return
    with pytest.raises(WrongPeople) as refusal:
        choose_people(environ, pending, is_local=LOCAL.items() <= environ.items())
    assert str(refusal.value).startswith(expected)
    assert "Nothing was written. " in str(refusal.value)


def held(people: People, *, is_sure: bool) -> Held:
    return Held("september.json", datetime(2026, 11, 20, tzinfo=UTC), people, is_sure)


TWIN_IN, BUNDLED_IN = held("invented", is_sure=True), held("invented", is_sure=False)
REAL_IN, UNTOLD_IN = held("real", is_sure=True), held("real", is_sure=False)


@pytest.mark.parametrize(
    ("environ", "import_", "there", "is_taken"),
    [
        (INVENTED, TWINNED, TWIN_IN, True),
        (INVENTED, TWINNED, BUNDLED_IN, True),
        (INVENTED, TWINNED, REAL_IN, False),
        (INVENTED, TWINNED, UNTOLD_IN, False),
        (PREVIEW, TWINNED, UNTOLD_IN, False),
        (REAL, TWINNED, REAL_IN, True),
        (REAL, TWINNED, UNTOLD_IN, True),
        (REAL, TWINNED, TWIN_IN, False),
        (REAL, OCTOBER, TWIN_IN, False),
        (REAL, OCTOBER, BUNDLED_IN, False),
        (LOCAL, TWINNED, TWIN_IN, True),
        (LOCAL, TWINNED, UNTOLD_IN, False),
        (SAID_NOTHING, BUNDLED, REAL_IN, False),
        (SAID_NOTHING, BUNDLED, UNTOLD_IN, True),
        (SAID_NOTHING, BUNDLED, TWIN_IN, True),
        (SAID_NOTHING, OCTOBER, BUNDLED_IN, True),
        (SAID_NOTHING, OCTOBER, UNTOLD_IN, True),
        (SAID_NOTHING, OCTOBER, REAL_IN, True),
        (SAID_NOTHING, OCTOBER, TWIN_IN, False),
    ],
)
def test_real_and_invented_people_are_never_mixed(
    environ: dict[str, str], import_: Import, there: Held, is_taken: bool
) -> None:
    """People nobody has described count as real as soon as anything is said."""
    if is_taken:
        choose_people(environ, [import_], [there], is_local=environ is LOCAL)
        return
    with pytest.raises(WrongPeople) as refusal:
        choose_people(environ, [import_], [there], is_local=environ is LOCAL)
    said = f"This database holds {there.people} people (september.json, 2026-11-20): "
    assert str(refusal.value).startswith(said)


WHEN = datetime(2026, 11, 20, tzinfo=UTC)
STANDING = {"revision": "0004", "reverted_at": None, "remove_created": None}
REVERTED = {"revision": "0004", "reverted_at": WHEN, "remove_created": False}
REMOVED = REVERTED | {"remove_created": True}


def receipt(export: str, sha256: str, **fields: object) -> Receipt:
    """Build a receipt with the fields looked at here."""
    counts = {"kept": 0, "unrestored": 0, "referenced": 0}
    looked_at = {"started_at": WHEN, "is_at_its_start": False} | counts | STANDING | fields
    return cast(Receipt, SimpleNamespace(export=export, sha256=sha256, **looked_at))


@pytest.mark.parametrize(
    ("row", "people", "is_sure"),
    [
        (receipt("october.masked.json", "b" * 64), "invented", True),
        (receipt("another.masked.json", "e" * 64), "invented", True),
        (receipt("october.json", "a" * 64), "real", True),
        (receipt("bundled.json", "c" * 64), "invented", False),
        (receipt("forgotten.json", "d" * 64), "real", False),
    ],
)
def test_the_ledger_tells_who_is_there(row: Receipt, people: People, is_sure: bool) -> None:
    """It knows a twin by name, and exports by the digests in the code."""
    found = held_by([row], [BUNDLED, TWINNED])
    assert found == [Held(row.export, row.started_at, people, is_sure, row.revision)]


def test_the_bundled_export_is_known_when_another_has_its_place() -> None:
    """Its leads may still be there after another export has replaced it in the code."""
    assert hashlib.sha256(EXPORT.read_bytes()).hexdigest() == BUNDLED_SHA256
    (found,) = held_by([receipt(EXPORT.name, BUNDLED_SHA256)], [OCTOBER])
    assert found.people == "invented"


@pytest.mark.parametrize(
    ("reverts", "is_empty"),
    [
        ([STANDING | {"is_at_its_start": True}], True),
        ([REMOVED], True),
        ([REVERTED, REMOVED], True),
        ([REMOVED | {"referenced": 1}, REMOVED], True),
        ([REVERTED], False),
        ([REMOVED, REVERTED], False),
        ([REMOVED, STANDING], False),
        ([REMOVED | {"kept": 1}], False),
        ([REMOVED | {"unrestored": 1}], False),
        ([REVERTED | {"kept": 1}, REMOVED], False),
        ([REMOVED | {"referenced": 1}], False),
        ([REVERTED | {"revision": "0003"}, REMOVED], False),
    ],
)
def test_an_import_that_was_removed_to_its_last_lead_holds_nobody(
    reverts: list[dict[str, object]], is_empty: bool
) -> None:
    """One lead or value left is enough to hold all its people."""
    rows = [receipt("bundled.json", "c" * 64, **fields) for fields in reverts]
    assert (held_by(rows, [BUNDLED]) == []) == is_empty


def test_a_twin_is_the_same_import_of_another_file() -> None:
    """Only file name and digest change, and an export of invented people is its own twin."""
    twin = TWINNED.of("invented")
    assert twin == replace(TWINNED, export="october.masked.json", sha256="b" * 64)
    assert TWINNED.of("real") == TWINNED.as_imported("a" * 64) == TWINNED
    assert TWINNED.as_imported("b" * 64) == twin
    assert BUNDLED.of("invented") == BUNDLED.as_imported("c" * 64) == BUNDLED


def test_a_database_is_local_if_nobody_has_named_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any name counts, even an empty one, from the environment or from a program running
    Alembic."""
    for variable in ("DATABASE_URL", "MIGRATION_DATABASE_URL"):
        monkeypatch.delenv(variable, raising=False)
    assert not names_database(Config())
    assert names_database(Config(attributes={"connection": object()}))
    config = Config()
    config.set_main_option("sqlalchemy.url", "postgresql://there/crm")
    assert names_database(config)
    monkeypatch.setenv("MIGRATION_DATABASE_URL", "")
    assert names_database(Config())
