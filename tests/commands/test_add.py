"""``python -m migrations``: the next export is one command."""

import contextlib
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from sqlalchemy import URL

from migrations.importer.age_key import KEY
from tests.support.bundled import BEFORE_IMPORT, IMPORT, ROOT, records
from tests.support.database import run
from tests.support.exports import written
from tests.support.files import LEADS, as_csv, as_workbook, write
from tests.support.projects import copy_project, migrations
from tests.support.released import REPOSITORY
from tests.support.sealed import new_key, public, seal_for
from tests.support.upgrades import alembic


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Copy the project as released up to the bundled import."""
    return copy_project(tmp_path)


BUNDLED = ROOT / "data" / "production_leads_export.json"
LONDON = ("--timezone", "Europe/London")
HUBSPOT = """\
Record ID,First Name,Last Name,Phone Number,Create Date,Company
901,Dot,Invented,07700 900991,2025-09-16 14:15,
902,Eve,Invented,07700 900992,2025-09-17 09:00,
903,Fay,Invented,,2025-09-18 10:30,
"""


def on_a_terminal(project: Path, command: list[str], answers: list[str]) -> tuple[str, int]:
    """Run a command and answer its questions. Return its output and exit status."""
    import pty  # Not available everywhere.

    ours, theirs = pty.openpty()
    with os.fdopen(ours, "r+b", buffering=0) as terminal:
        process = subprocess.Popen(
            [sys.executable, "-m", "migrations", *command],
            cwd=project,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "NO_COLOR": "1", "COLUMNS": "120"},
        )
        os.close(theirs)
        terminal.write("".join(f"{answer}\n" for answer in answers).encode())
        shown = b""
        # Linux raises an error once everybody has left the terminal.
        with contextlib.suppress(OSError):
            while some := terminal.read(4096):
                shown += some
        return shown.decode(), process.wait(timeout=60)


@pytest.fixture
def october(tmp_path: Path) -> Path:
    """Write another export: a known lead under another name, and a new one."""
    known, new = records()[:2]
    new = new | {"phone": "07700 900999 ext. 77", "full_name": "New In October"}
    return written(
        [known | {"full_name": "Renamed In October"}, new], tmp_path, "october_leads.json"
    )


def test_an_added_export_is_imported_by_the_next_upgrade(
    project: Path, october: Path, database: URL
) -> None:
    """Add checks the export, copies it and writes a revision, and after the upgrade the ledger has
    both imports."""
    added = migrations(project, "add", str(october), "-m", "import october leads")
    assert added.returncode == 0, added.stderr
    assert "Next:" in added.stdout
    revision = project / "migrations" / "versions" / "0005_import_october_leads.py"
    assert f'down_revision = "{IMPORT}"' in revision.read_text()
    assert len(revision.read_text().splitlines()) < 40
    assert (project / "data" / october.name).read_bytes() == october.read_bytes()
    upgraded = alembic(database, "upgrade", "head", root=project)
    assert upgraded.returncode == 0, upgraded.stdout
    ledger = run(
        database, "SELECT revision, export, created, updated FROM lead_imports ORDER BY id"
    )
    assert [tuple(row) for row in ledger] == [
        (IMPORT, "production_leads_export.json", len(records()), 0),
        ("0005_import_october_leads", "october_leads.json", 1, 1),
    ]


def test_an_added_revision_passes_the_projects_lint(project: Path, october: Path) -> None:
    """The template already writes what ruff formats."""
    assert migrations(project, "add", str(october), "-m", "import october leads").returncode == 0
    config = ["--config", str(REPOSITORY / "pyproject.toml")]
    revision = str(project / "migrations" / "versions" / "0005_import_october_leads.py")
    for check in (["check", *config], ["format", "--check", *config]):
        ruff = subprocess.run(
            [sys.executable, "-m", "ruff", *check, revision], check=False, capture_output=True
        )
        assert ruff.returncode == 0, ruff.stdout


@pytest.mark.parametrize("name", ["october.masked.json", "october.columns.json"])
def test_no_export_has_the_name_of_a_file_beside_it(
    name: str, project: Path, tmp_path: Path
) -> None:
    """Git offers these in clear, and the next add would read the latter's choices."""
    export = written(records()[:2], tmp_path, name)
    added = migrations(project, "add", str(export), "-m", "import october leads")
    assert added.returncode == 0, added.stderr
    assert (project / "data" / f"{name.removesuffix('.json').replace('.', '_')}.json").exists()


def test_a_bad_export_is_not_added(project: Path, tmp_path: Path) -> None:
    """List its problems and write nothing."""
    bad = written([records()[0] | {"phone": "none"}], tmp_path, "bad.json")
    refused = migrations(project, "add", str(bad), "-m", "import bad leads")
    assert refused.returncode == 1
    assert "bad.json: 1 problem in 1 record. Nothing was written." in refused.stderr
    assert "phone: is not one phone number, in record 1" in refused.stderr
    assert not (project / "data" / "bad.json").exists()
    assert not list((project / "migrations" / "versions").glob("0005*"))


def test_an_export_that_is_imported_already_is_not_added(project: Path, tmp_path: Path) -> None:
    """The same bytes under another name are the same import, and the first name is told."""
    renamed = tmp_path / "renamed.json"
    renamed.write_bytes((ROOT / "data" / "production_leads_export.json").read_bytes())
    refused = migrations(project, "add", str(renamed), "-m", "once more")
    assert refused.returncode == 1
    assert f"{IMPORT} imports these records already, from production_leads_" in refused.stderr


def test_an_export_never_takes_another_ones_place(project: Path, october: Path) -> None:
    """A file in data/ with this name and other bytes stays."""
    (project / "data" / october.name).write_bytes(
        (ROOT / "data" / "production_leads_export.json").read_bytes()
    )
    refused = migrations(project, "add", str(october), "-m", "import october leads")
    assert refused.returncode == 1
    assert "is another file" in refused.stderr


def test_a_corrected_export_is_added_once_the_first_one_is_removed(
    project: Path, october: Path
) -> None:
    """The refusal says what to remove: the export, its revision, and its twin if there is one."""
    command = ("add", str(october), "-m", "import october leads", "--yes")
    assert migrations(project, *command).returncode == 0
    text = october.read_text(encoding="utf-8")
    october.write_text(text.replace("New In", "Corrected In"), encoding="utf-8")
    refused = migrations(project, *command)
    assert "remove it, its twin and its revision" in refused.stderr
    (project / "data" / october.name).unlink()
    (project / "migrations" / "versions" / "0005_import_october_leads.py").unlink()
    assert migrations(project, *command).returncode == 0


def test_nothing_is_added_to_two_branches(project: Path, october: Path) -> None:
    """Whose revision would come first? The export is not left behind either."""
    for name in ("0005_mine", "0005_theirs"):
        (project / "migrations" / "versions" / f"{name}.py").write_text(
            f'revision = "{name}"\ndown_revision = "{IMPORT}"\n', encoding="utf-8"
        )
    refused = migrations(project, "add", str(october), "-m", "import october leads")
    assert refused.returncode == 1
    assert "0005_mine and 0005_theirs. Nothing was written. Run 'alembic merge" in refused.stderr
    assert not list((project / "data").glob("october*"))


def test_a_folder_that_takes_no_file_is_one_sentence(project: Path, october: Path) -> None:
    """The message says which file, and why it failed."""
    (project / "data" / ".october_leads.json.partial").mkdir()
    refused = migrations(project, "add", str(october), "-m", "import october leads")
    assert refused.returncode == 1
    assert ".october_leads.json.partial: Is a directory. Fix this" in refused.stderr


@pytest.mark.parametrize("message", ["", "!!", 'say "it"'])
def test_a_message_that_makes_no_file_name_is_refused(
    message: str, project: Path, october: Path
) -> None:
    """Nothing is written for it."""
    refused = migrations(project, "add", str(october), "-m", message)
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert not (project / "data" / october.name).exists()


def test_check_tells_digest_and_number_of_records(project: Path, october: Path) -> None:
    """Print words for people and JSON for machines, without a database."""
    told = migrations(project, "check", str(october))
    assert told.returncode == 0
    assert "october_leads.json: 2 records, no problems." in told.stdout
    found = json.loads(migrations(project, "check", "--json", str(october)).stdout)
    assert found["records"] == 2
    assert found["sha256"] in told.stdout
    assert found["problems"] == []


def test_check_lists_problems_for_machines_too(project: Path, tmp_path: Path) -> None:
    """Exit status 1, with the position and field of each problem but no value."""
    bad = written([records()[0] | {"phone": "none"}, records()[1] | {"status": "s" * 51}], tmp_path)
    told = migrations(project, "check", "--json", str(bad))
    assert told.returncode == 1
    found = json.loads(told.stdout)
    assert [(problem["record"], problem["field"]) for problem in found["problems"]] == [
        (1, "phone"),
        (2, "status"),
    ]
    assert found["total"] == 2


def test_check_says_what_add_would_make_of_a_file(project: Path, tmp_path: Path) -> None:
    """The digest is the same before and after, and machines get the columns too."""
    path = write(tmp_path, HUBSPOT, "hubspot.csv")
    told = migrations(project, "check", "--json", *LONDON, str(path))
    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout)
    assert found["format"] == "CSV with commas, UTF-8"
    assert found["fields"]["full_name"] == ["First Name", "Last Name"]
    assert found["left_out"] == ["Company"]
    assert found["without_phone"] == [4]
    assert not (project / "data" / "hubspot.json").exists()
    added = migrations(project, "add", str(path), "-m", "import hubspot", "--yes", *LONDON)
    assert added.returncode == 0, added.stderr
    assert found["sha256"] in (project / "migrations/versions/0005_import_hubspot.py").read_text()


def test_a_table_is_imported_by_the_next_upgrade(
    project: Path, tmp_path: Path, database: URL
) -> None:
    """Go from the download to the leads, and print the choices."""
    path = write(tmp_path, HUBSPOT, "HubSpot export (1).csv")
    added = migrations(project, "add", str(path), "-m", "import hubspot", "--yes", *LONDON)
    assert added.returncode == 0, added.stderr
    assert "First Name + Last Name" in added.stdout
    assert "(left out)" in added.stdout
    assert "Left out for lack of a phone: row 4." in added.stdout
    assert "holds personal data" in added.stdout
    assert path.read_text() == HUBSPOT
    assert "07700" not in added.stdout
    upgraded = alembic(database, "upgrade", "head", root=project)
    assert upgraded.returncode == 0, upgraded.stdout
    leads = run(database, "SELECT full_name, created_at FROM leads WHERE phone LIKE '07700 90099_'")
    assert {(lead.full_name, lead.created_at.isoformat()) for lead in leads} == {
        ("Dot Invented", "2025-09-16T13:15:00+00:00"),
        ("Eve Invented", "2025-09-17T08:00:00+00:00"),
    }
    ledger = run(database, "SELECT export FROM lead_imports ORDER BY id DESC LIMIT 1")
    assert [row.export for row in ledger] == ["HubSpot_export_1.json"]


def test_nothing_is_written_before_somebody_has_looked(project: Path, tmp_path: Path) -> None:
    """Without a terminal, show the table and ask for --yes."""
    path = write(tmp_path, HUBSPOT, "hubspot.csv")
    shown = migrations(project, "add", str(path), "-m", "import hubspot", *LONDON)
    assert shown.returncode == 1
    assert "First Name + Last Name" in shown.stdout
    assert "add --yes" in shown.stderr
    assert not list((project / "data").glob("hubspot*"))
    assert not list((project / "migrations" / "versions").glob("0005*"))


def test_the_next_download_needs_no_option(project: Path, tmp_path: Path) -> None:
    """The agreed choices are in a file next to the first export."""
    first = write(
        tmp_path, HUBSPOT.replace("Fay,Invented,,", "Fay,Invented,07700 900996,"), "a.csv"
    )
    second = write(tmp_path, first.read_text().replace("900991", "900992"), "b.csv")
    assert migrations(project, "add", str(first), "-m", "one", "--yes", *LONDON).returncode == 0
    again = migrations(project, "add", str(second), "-m", "two")
    assert again.returncode == 0, again.stderr
    assert "2025-09-16T14:15:00+01:00" in (project / "data" / "b.json").read_text()


def test_the_next_download_is_read_by_the_dates_of_the_first(project: Path, tmp_path: Path) -> None:
    """The first one proves that the day comes first, and the next one has no such date."""
    rows = "Name,Mobile,Created\nAnn,07700 900991,{}/10/2026 10:00\n"
    first, second = (write(tmp_path, rows.format(day), f"{day}.csv") for day in ("13", "02"))
    assert migrations(project, "add", str(first), "-m", "one", "--yes", *LONDON).returncode == 0
    again = migrations(project, "add", str(second), "-m", "two")
    assert again.returncode == 0, again.stderr
    assert "2026-10-02T10:00:00+01:00" in (project / "data" / "02.json").read_text()


def test_a_column_of_the_fields_own_names_needs_no_yes(project: Path, tmp_path: Path) -> None:
    """Nothing is left to decide."""
    path = write(tmp_path, as_csv(separator=";", encoding="utf-8-sig"), "own.csv")
    added = migrations(project, "add", str(path), "-m", "import own")
    assert added.returncode == 0, added.stderr
    assert json.loads((project / "data" / "own.json").read_text()) == list(LEADS)
    assert not list((project / "data").glob("*.columns.json"))


def test_the_next_export_is_imported_by_the_last_declaration(project: Path, tmp_path: Path) -> None:
    """Its fields are converted, and the revision names it."""
    with (project / "migrations" / "crm.py").open("a", encoding="utf-8") as crm:
        crm.write('OCTOBER = Leads("leads", full_name="name", phone="phone", source="source")\n')
    rows = HUBSPOT.replace("Company", "Source").replace(":15,\n", ":15,fair\n")
    path = write(tmp_path, rows.replace("Fay,Invented,,", "Fay,Invented,07700 900993,"), "o.csv")
    added = migrations(project, "add", str(path), "-m", "import october", "--yes", *LONDON)
    assert added.returncode == 0, added.stderr
    assert json.loads((project / "data" / "o.json").read_text())[0]["source"] == "fair"
    revision = project / "migrations" / "versions" / "0005_import_october.py"
    assert "leads=OCTOBER," in revision.read_text()


def test_what_comes_next_can_be_run_here(project: Path, tmp_path: Path) -> None:
    """A CRM that has copied the files has not our tests, but may have a Makefile of its own."""
    (project / "Makefile").touch()
    path = write(tmp_path, as_csv(separator=";", encoding="utf-8-sig"), "own.csv")
    added = migrations(project, "add", str(path), "-m", "import own")
    assert "python -m migrations preview" in added.stdout
    assert "make test" not in added.stdout


def test_without_a_terminal_all_that_is_missing_is_told_at_once(
    project: Path, tmp_path: Path
) -> None:
    """Give the options from the message, and only the confirmation is left to ask."""
    path = tmp_path / "own.csv"
    rows = "Name,Mobil,Created\nAnn Ä,07700 900991,01/02/2026 10:00\n"
    path.write_text(rows, encoding="cp1252")
    told = migrations(project, "add", str(path), "-m", "import own", "--timezone", "Mars")
    assert told.returncode == 1
    assert "The file does not say 4 things. Nothing was written." in told.stderr
    options = shlex.split(told.stderr.rpartition("such as ")[2].replace("COLUMN", "Mobil")[:-2])
    assert sorted(options[::2]) == ["--dates", "--encoding", "--field", "--timezone"]
    added = migrations(project, "add", str(path), "-m", "import own", "--yes", *options)
    assert added.returncode == 0, added.stderr
    assert "2026-02-01T10:00:00+00:00" in (project / "data" / "own.json").read_text()


def test_on_a_terminal_what_is_missing_is_asked(project: Path, tmp_path: Path) -> None:
    """Ask again after a wrong answer, and finally ask whether the file was read correctly."""
    path = write(tmp_path, HUBSPOT, "hubspot.csv")
    command = ["add", str(path), "-m", "import hubspot"]
    shown, status = on_a_terminal(project, command, ["Mars", "Europe/London", "y"])
    assert status == 0, shown
    assert shown.index("In which time zone") < shown.index("'Mars' is not a time zone")
    assert shown.index("First Name + Last Name") < shown.index("Write it? [y/N]")
    assert (project / "data" / "hubspot.json").exists()


def test_whoever_says_no_has_nothing_written(project: Path, tmp_path: Path) -> None:
    """An empty answer means no, too."""
    path = write(tmp_path, HUBSPOT, "hubspot.csv")
    command = ["add", str(path), "-m", "import hubspot", *LONDON]
    shown, status = on_a_terminal(project, command, [""])
    assert status == 1
    assert "Nothing was written" in shown
    assert not list((project / "data").glob("hubspot*"))


def test_the_first_real_export_takes_the_bundled_ones_place(
    project: Path, tmp_path: Path, database: URL
) -> None:
    """The revision gets its digest and number of records, so nobody edits it by hand."""
    path = write(tmp_path, HUBSPOT, "hubspot.csv")
    replaced = migrations(project, "add", str(path), "--replace", "--yes", *LONDON, url=database)
    assert replaced.returncode == 0, replaced.stderr
    bundled = project / "data" / "production_leads_export.json"
    revision = (project / "migrations" / "versions" / f"{IMPORT}.py").read_text()
    assert hashlib.sha256(bundled.read_bytes()).hexdigest() in revision
    assert "records=2," in revision
    assert "masked=" not in revision  # Its people are real.
    assert not list((project / "migrations" / "versions").glob("0005*"))
    assert alembic(database, "upgrade", "head", root=project).returncode == 0
    assert run(database, "SELECT count(*) FROM leads")[0][0] == 2
    refused = migrations(project, "add", str(path), "--replace", "--yes", *LONDON, url=database)
    assert refused.returncode == 1
    assert "This database has imported production_leads_export.json" in refused.stderr


def test_a_local_postgres_that_has_the_bundled_export_is_asked_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever has tried the import first is told how to go on."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # Else root's server has its data elsewhere.
        project = copy_project(folder)
        path = write(folder, HUBSPOT, "hubspot.csv")
        add = ("add", str(path), "--replace", "--yes", *LONDON)
        assert alembic(None, "upgrade", "head", root=project).returncode == 0
        refused = migrations(project, *add)
        assert refused.returncode == 1
        remedy = re.search(r"'alembic (-x remove-created downgrade .*)'", refused.stderr)
        assert remedy, refused.stderr
        assert alembic(None, *remedy[1].split(), root=project).returncode == 0
        assert migrations(project, *add).returncode == 0
        assert alembic(None, "upgrade", "head", root=project).returncode == 0


def test_what_takes_the_bundled_ones_place_is_imported_by_the_last_declaration(
    project: Path, tmp_path: Path
) -> None:
    """Its fields are this one's."""
    with (project / "migrations" / "crm.py").open("a", encoding="utf-8") as crm:
        crm.write('OCTOBER = Leads("leads", full_name="name", phone="phone")\n')
    path = write(tmp_path, HUBSPOT, "hubspot.csv")
    replaced = migrations(project, "add", str(path), "--replace", "--yes", *LONDON)
    assert replaced.returncode == 0, replaced.stderr
    revision = (project / "migrations" / "versions" / f"{IMPORT}.py").read_text()
    assert "import OCTOBER\n" in revision
    assert "leads=OCTOBER," in revision


def test_what_takes_the_bundled_ones_place_is_sealed_where_others_are(
    project: Path, tmp_path: Path
) -> None:
    """Only its twin stays in clear, and the invented export is gone."""
    (project / "data" / "recipients.txt").write_text(f"{public(new_key())}\n{public(new_key())}\n")
    path = write(tmp_path, HUBSPOT, "hubspot.csv")
    replaced = migrations(project, "add", str(path), "--replace", "--yes", *LONDON)
    assert replaced.returncode == 0, replaced.stderr
    assert sorted(file.name for file in (project / "data").glob("*production*")) == [
        "production_leads_export.columns.json",
        "production_leads_export.json.age",
        "production_leads_export.masked.json",
    ]
    assert not list((project / "data").glob(".*"))
    twin = (project / "data" / "production_leads_export.masked.json").read_bytes()
    revision = (project / "migrations" / "versions" / f"{IMPORT}.py").read_text()
    assert f'    masked="{hashlib.sha256(twin).hexdigest()}",' in revision
    assert "900991" not in twin.decode()


def test_the_bundled_export_is_back_if_nothing_takes_its_place(
    project: Path, tmp_path: Path
) -> None:
    """Empty recipients stop the command midway."""
    (project / "data" / "recipients.txt").write_text("# nobody yet\n")
    path = write(tmp_path, HUBSPOT, "hubspot.csv")
    refused = migrations(project, "add", str(path), "--replace", "--yes", *LONDON)
    assert refused.returncode == 1
    assert "names nobody" in refused.stderr
    assert (project / "data" / BUNDLED.name).read_bytes() == BUNDLED.read_bytes()
    revision = project / "migrations" / "versions" / f"{IMPORT}.py"
    assert revision.read_text() == (ROOT / "migrations" / "versions" / f"{IMPORT}.py").read_text()


def test_what_was_sealed_is_not_converted(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be on a disk in clear."""
    key = new_key()
    monkeypatch.setenv(KEY, key)
    path = tmp_path / "october.csv.age"
    path.write_bytes(seal_for(as_csv(), key))
    refused = migrations(project, "add", str(path), "-m", "import october leads")
    assert refused.returncode == 1
    assert "is sealed, but not in the importer's own format" in refused.stderr
    assert not list((project / "data").glob("october*"))


def test_an_export_with_one_after_it_is_never_replaced(
    project: Path, october: Path, tmp_path: Path
) -> None:
    """It is in use."""
    assert migrations(project, "add", str(october), "-m", "import october leads").returncode == 0
    path = write(tmp_path, HUBSPOT, "hubspot.csv")
    refused = migrations(project, "add", str(path), "--replace", "--yes", *LONDON)
    assert refused.returncode == 1
    assert "2 revisions import exports" in refused.stderr
    assert (project / "data" / "production_leads_export.json").read_bytes() == BUNDLED.read_bytes()


def test_without_openpyxl_a_workbook_names_the_command(tmp_path: Path, project: Path) -> None:
    """A deploy works without it, and so does every other format."""
    path = write(tmp_path, as_workbook(), "leads.xlsx")
    hidden = "import sys; sys.modules['openpyxl'] = None; from migrations.__main__ import main; "
    command = [sys.executable, "-c", f"{hidden}sys.exit(main(['check', {str(path)!r}]))"]
    told = subprocess.run(command, check=False, cwd=project, capture_output=True, text=True)
    assert told.returncode == 1
    assert "pip install openpyxl" in told.stderr


def test_the_chain_names_revisions_that_fit_alembics_column() -> None:
    """Revision ids stay within the 32 characters of alembic_version."""
    names = [path.stem for path in (ROOT / "migrations" / "versions").glob("*.py")]
    assert {IMPORT, BEFORE_IMPORT} <= set(names)
    assert all(len(name) <= 32 for name in names)
