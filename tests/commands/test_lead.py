"""``python -m migrations lead``: the history of one lead."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, Engine, NullPool, create_engine, event, text

from migrations.__main__ import main
from migrations.importer import pinned
from migrations.importer.declaration import Leads
from tests.support.bundled import EXPORT, IMPORT, Record, records
from tests.support.crm import add_lead, picture
from tests.support.database import run, shown, value
from tests.support.exports import written
from tests.support.postgres import Databases
from tests.support.projects import copy_project, migrations
from tests.support.upgrades import alembic, upgrade

EDIT = "UPDATE leads SET {} WHERE id = :id"


@pytest.fixture
def imported(crm_with_leads: URL, monkeypatch: pytest.MonkeyPatch) -> URL:
    """Import into the mission's CRM and point the commands at it."""
    upgrade(crm_with_leads)
    monkeypatch.setenv("DATABASE_URL", shown(crm_with_leads))
    return crm_with_leads


def by_person(url: URL, person: str, sql: str, **parameters: object) -> None:
    """Run one statement as a person of the site."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text(f"SET SESSION AUTHORIZATION {person}"))
        connection.execute(text(sql), parameters)
    engine.dispose()


class History:
    """A lead with changes from three imports and two people, and one revert."""

    def __init__(self, url: URL, project: Path, lead_id: int, people: tuple[str, str]) -> None:
        self.url = url
        self.project = project
        self.lead_id = lead_id
        self.people = people

    def told(self, *arguments: str) -> str:
        """Return what ``lead`` prints about it."""
        found = migrations(self.project, "lead", *arguments, url=self.url)
        assert found.returncode == 0, found.stderr
        return found.stdout

    def events(self, *arguments: str) -> list[dict[str, Any]]:
        """Return the same as JSON."""
        events: list[dict[str, Any]] = json.loads(self.told("--json", *arguments))["events"]
        return events


@pytest.fixture(scope="module")
def history(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    """Create the lead with 0004, edit it, update it with October and November, edit it again, and
    revert November."""
    folder = tmp_path_factory.mktemp("history")
    project, url = copy_project(folder), databases.create()
    first: Record = records()[0]
    for month, fields in (
        ("october", {"status": "october", "phone": "07700 900503", "notes": "In October."}),
        ("november", {"status": "november", "email": "november@example.org"}),
    ):
        path = written([first | fields], folder, f"{month}.json")
        added = migrations(project, "add", str(path), "-m", f"import {month}")
        assert added.returncode == 0, added.stderr
    people = f"ann_of_{url.database}", f"bob_of_{url.database}"
    assert alembic(url, "upgrade", IMPORT, root=project).returncode == 0
    lead_id = value(url, "SELECT id FROM leads WHERE phone = :phone", phone=first["phone"])
    for person in people:
        run(url, f"CREATE ROLE {person}")
        run(url, f"GRANT SELECT, UPDATE ON leads TO {person}")
    by_person(url, people[0], EDIT.format("notes = 'Call 07700 900123.'"), id=lead_id)
    assert alembic(url, "upgrade", "head", root=project).returncode == 0
    by_person(url, people[1], EDIT.format("email = 'bob@example.org'"), id=lead_id)
    assert alembic(url, "downgrade", "-1", root=project).returncode == 0
    yield History(url, project, lead_id, people)
    for person in people:
        run(url, f"DROP OWNED BY {person}")
        run(url, f"DROP ROLE {person}")
    databases.drop(str(url.database))


def test_imports_reverts_and_people_are_told_in_order(history: History) -> None:
    """Three imports, two people and one revert say who, when, and from what to what."""
    first = records()[0]
    events = history.events(str(history.lead_id), "--show-personal-data")
    assert [(event["kind"], event["export"], event["record"]) for event in events] == [
        ("created", EXPORT.name, 1),
        ("edited", None, None),
        ("updated", "october.json", 1),
        ("updated", "november.json", 1),
        ("edited", None, None),
        ("reverted", "november.json", 1),
    ]
    ann, bob = history.people
    assert [events[n]["by"] for n in (1, 4)] == [ann, bob]
    assert events[0]["fields"]["full_name"] == [None, first["full_name"]]
    assert events[1]["fields"] == {"notes": [first["notes"], "Call 07700 900123."]}
    assert events[2]["fields"] == {
        "status": [first["status"], "october"],
        "phone": [first["phone"], "07700 900503"],
        "notes": ["Call 07700 900123.", "In October."],
    }
    assert events[3]["fields"] == {
        "status": ["october", "november"],
        "phone": ["07700 900503", first["phone"]],
        "email": [first["email"], "november@example.org"],
    }
    assert events[4]["fields"] == {"email": ["november@example.org", "bob@example.org"]}
    assert events[5]["fields"] == {
        "status": ["november", "october"],
        "phone": [first["phone"], "07700 900503"],
    }
    assert [event["at"] for event in events] == sorted(event["at"] for event in events)


def test_words_are_masked_unless_they_are_asked_for(history: History) -> None:
    """Phones and e-mails are masked, in notes too, and shown in clear on request."""
    told = history.told(str(history.lead_id))
    assert "bob@example.org" not in told
    assert "900123" not in told
    assert "edited by bob_of" in told
    assert '"Call ••••• •••123."' in told
    assert "november.json was reverted" in told
    assert "bob@example.org" in history.told(str(history.lead_id), "--show-personal-data")


def test_machines_get_names_of_fields_unless_values_are_asked_for(history: History) -> None:
    """``preview`` does the same."""
    assert history.events(str(history.lead_id))[1]["fields"] == ["notes"]


def test_a_phone_is_one_in_any_spelling(imported: URL, capsys: pytest.CaptureFixture[str]) -> None:
    """The command searches by key."""
    found = set()
    for asked in ("07700 900503", "+44 (0)7700-900503", "0044 7700900503", " 7700900503 "):
        capsys.readouterr()
        assert main(["lead", asked, "--json"]) == 0
        found.add(json.loads(capsys.readouterr().out)["id"])
    assert len(found) == 1


def test_what_can_be_several_leads_is_asked_back(
    crm: URL, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One lead's id is another's number and a third one's phone, so the message gives each id."""
    monkeypatch.setenv("DATABASE_URL", shown(crm))
    upgrade(crm)
    by_id = value(crm, "SELECT max(id) FROM leads")
    asked = "7700900777"
    run(crm, f"UPDATE leads SET id = {asked} WHERE id = :id", id=by_id)
    number = add_lead(crm, lead_number=asked)
    phone = add_lead(crm, phone="07700 900777")
    assert main(["lead", asked]) == 1
    said = capsys.readouterr().err
    several = f"{asked} (its id), {number} (its lead number), {phone} (its phone)"
    assert f"Several leads match: {several}. Name one of them by its id" in said
    for by, lead_id in (("id", int(asked)), ("number", number), ("phone", phone)):
        assert main(["lead", asked, "--by", by, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["id"] == str(lead_id)


def test_what_is_asked_for_stands_in_no_statement(imported: URL) -> None:
    """Statements reach the server's log, so a phone, its key and the lead's id are sent by COPY."""
    statements: list[str] = []

    def remember(_connection: Any, _cursor: Any, sql: str, values: Any, *_: Any) -> None:
        statements.append(f"{sql} {values}")

    event.listen(Engine, "before_cursor_execute", remember)
    try:
        assert main(["lead", "+44 7700 900503"]) == 0
    finally:
        event.remove(Engine, "before_cursor_execute", remember)
    assert [sql for sql in statements if "lead_trace_asked" in sql]
    assert [sql for sql in statements if "900503" in sql or "900 503" in sql] == []


def test_it_reads_only(imported: URL) -> None:
    """It writes no row, and a role with SELECT alone can run it."""
    before = picture(imported), run(imported, "SELECT * FROM lead_imports")
    reader = f"asker_of_{imported.database}"
    run(imported, f"CREATE ROLE {reader} LOGIN PASSWORD 'p'")
    run(imported, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {reader}")
    try:
        os.environ["DATABASE_URL"] = shown(imported.set(username=reader, password="p"))
        assert main(["lead", "+44 7700 900503"]) == 0
    finally:
        run(imported, f"DROP OWNED BY {reader}")
        run(imported, f"DROP ROLE {reader}")
    assert (picture(imported), run(imported, "SELECT * FROM lead_imports")) == before


def test_a_lead_that_nobody_knows_is_exit_status_1(
    imported: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    """Print one sentence without the requested value."""
    for asked in (["07700 900999"], ["999999"], [" "], ["900999", "--by", "number"], ["no such"]):
        assert main(["lead", *asked]) == 1
        said = capsys.readouterr()
        assert said.out == ""
        told = said.err.splitlines()[-1]
        assert told.startswith("No lead of leads has this ")
        assert "900999" not in told


def test_a_lead_that_is_gone_is_known_by_its_id(
    imported: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    """The ledger knows an import updated it, and the trail knows who deleted it."""
    gone = value(imported, "SELECT lead_id FROM lead_before_images LIMIT 1")
    run(imported, f"DELETE FROM leads WHERE id = {gone}")
    assert main(["lead", gone]) == 0
    told = capsys.readouterr().out
    assert f"Lead {gone} of leads, now removed" in told
    assert f"updated by {EXPORT.name}" in told
    assert "removed by" in told


def test_without_the_export_what_was_found_next_is_told(
    imported: URL, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message also says why edits cannot be told from imported values."""
    lead_id = value(imported, "SELECT lead_id FROM lead_before_images LIMIT 1")
    run(imported, f"UPDATE leads SET status = 'edited' WHERE id = {lead_id}")
    run(imported, "DROP TABLE lead_audit CASCADE")
    monkeypatch.setattr(pinned, "DATA", EXPORT.parent / "nowhere")
    assert main(["lead", lead_id, "--json", "--show-personal-data"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["unread"] == {EXPORT.name: "cannot be opened: No such file or directory"}
    [only] = told["events"]
    assert (only["kind"], only["fields"]["status"][1]) == ("updated", "edited")
    assert main(["lead", lead_id]) == 0
    assert "so edits right after that import appear to be its own" in capsys.readouterr().out


def test_before_the_first_import_no_lead_has_a_history(
    crm: URL, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 1 with one sentence."""
    monkeypatch.setenv("DATABASE_URL", shown(crm))
    assert main(["lead", "1"]) == 1
    assert "The ledger has no imports yet" in capsys.readouterr().err


def test_a_ledger_that_is_not_whole_is_said(
    imported: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    """``status`` has the remedy."""
    run(imported, "DROP TABLE lead_before_images")
    assert main(["lead", "1"]) == 1
    assert "The database lacks the table lead_before_images. Run" in capsys.readouterr().err


def test_a_downgrade_that_is_not_at_its_end_is_said(
    imported: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    """Restored values cannot be told from people's edits."""
    run(imported, "UPDATE lead_imports SET revert_next_record = 50")
    assert main(["lead", "+44 7700 900503"]) == 0
    assert f"{EXPORT.name} is being reverted: restored values" in capsys.readouterr().out


def test_an_import_into_another_table_is_named_once(
    imported: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    """However often it was reverted and imported again."""
    run(
        imported,
        "INSERT INTO lead_imports (id, revision, export, sha256, records, declaration, policies, "
        "ran_by, release, reverted_at) SELECT -n, 'people', 'people.json', sha256, records, "
        ":declaration, policies, ran_by, release, now() "
        "FROM lead_imports, generate_series(1, 2) AS n",
        declaration=Leads("users", phone="username").as_json(),
    )
    assert main(["lead", "1", "--by", "id"]) == 0
    assert capsys.readouterr().out.count("people.json knows its leads by users.id") == 1
