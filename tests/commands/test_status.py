"""``python -m migrations status``: the receipts of the ledger."""

import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest
from alembic.util import CommandError
from sqlalchemy import URL

from migrations.__main__ import main
from migrations.deploy import connection
from migrations.deploy.connection import connect
from migrations.deploy.lock import take_deploy_lock
from migrations.deploy.stop import Stop
from migrations.importer.how_far import time_span
from tests.support.bundled import IMPORT, ROOT
from tests.support.database import run, shown, wait_until, wait_until_alone
from tests.support.upgrades import alembic, downgrade, start_alembic, upgrade

EXPORT = "production_leads_export.json"


@pytest.fixture
def imported(crm_with_leads: URL, monkeypatch: pytest.MonkeyPatch) -> URL:
    """Import as a deploy on Render does, and point the commands at its database."""
    monkeypatch.setenv("DATABASE_URL", shown(crm_with_leads))
    monkeypatch.setenv("RENDER_SERVICE_NAME", "crm")
    monkeypatch.setenv("RENDER_GIT_COMMIT", "0123456789abcdef0123456789abcdef01234567")
    upgrade(crm_with_leads)
    return crm_with_leads


def told(capsys: pytest.CaptureFixture[str]) -> str:
    """Return what ``status`` prints."""
    capsys.readouterr()
    assert main(["status"]) == 0
    return capsys.readouterr().out


def as_json(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return what ``status --json`` prints."""
    capsys.readouterr()
    assert main(["status", "--json"]) == 0
    seen: dict[str, Any] = json.loads(capsys.readouterr().out)
    return seen


def test_a_receipt_says_what_was_imported(
    imported: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    """Export, digest, revision, when, how long, who, which release, the counts, complete."""
    words = " ".join(told(capsys).split())
    run(imported, "SELECT 1")
    for fact in (
        f"The database is stamped {IMPORT}.",
        f"{EXPORT} complete",
        "records 217: 207 created, 10 updated, 0 unchanged, 0 rejected, 0 folded",
        f"revision {IMPORT}",
        "sha256 8f8e3dd8fe99…",
        " UTC, ",
        "by crm, release 0123456789ab",
    ):
        assert fact in words


def test_machines_get_all_of_it(imported: URL, capsys: pytest.CaptureFixture[str]) -> None:
    """Print one JSON object, with ISO 8601 times, the whole digest and seconds."""
    assert main(["status", "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert status["stamped"] == [IMPORT]
    assert status["pending"] == []
    [receipt] = status["imports"]
    expected = {
        "export": EXPORT,
        "state": "complete",
        "records": 217,
        "created": 207,
        "updated": 10,
        "ran_by": "crm",
    }
    assert expected.items() <= receipt.items()
    assert len(receipt["sha256"]) == 64
    assert receipt["seconds"] >= 0
    assert "T" in receipt["started_at"]


def test_an_import_that_has_stopped_says_where_and_since_when(
    imported: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    """It also says how fast the import was, and nobody holds the deploy lock."""
    run(imported, "UPDATE lead_imports SET next_record = 100, finished_at = NULL")
    run(
        imported,
        "UPDATE lead_import_batches SET next_record = 100, started_at = '2026-09-01 09:00:00+00', "
        "finished_at = '2026-09-01 09:00:04+00'",
    )
    words = " ".join(told(capsys).split())
    assert f"{EXPORT} unfinished" in words
    assert "stopped at record 100 of 217 (46 %) since 2026-09-01 09:00 UTC, 25 a second" in words
    [receipt] = as_json(capsys)["imports"]
    assert (receipt["running"], receipt["per_cent"]) == (False, 46)
    assert (receipt["records_a_second"], receipt["seconds_left"]) == (25, 117 / 25)


def test_an_import_that_is_running_says_who_and_how_far(
    crm: URL, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """While the deploy lock is held, show its holder, since when, per cent, rate and time left."""
    monkeypatch.setenv("DATABASE_URL", shown(crm))
    x = ("-x", "batch-size=20", "-x", "pause=2000")
    importing = start_alembic(crm, *x, "upgrade", "head")
    try:
        wait_until(crm, "SELECT count(*) = 1 FROM lead_imports WHERE next_record > 0")
        words, seen = " ".join(told(capsys).split()), as_json(capsys)
    finally:
        importing.kill()
        importing.communicate()
    expected = (
        r"running now, at record \d+ of 217 \(\d+ %\), [\d,]+ a second, [\w. ]+ of work left: "
    )
    assert re.search(rf"{expected}lead-import \(server process \d+, connected since 20", words)
    assert seen["deploy_lock"]["name"] == "lead-import"
    assert seen["imports"][0]["running"]
    wait_until_alone(crm)
    assert "stopped  at record" in told(capsys)
    assert as_json(capsys)["deploy_lock"] is None


def test_whoever_only_rehearses_is_no_import_that_runs(
    imported: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dry run holds the deploy lock too, and says so."""
    run(imported, "UPDATE lead_imports SET next_record = 100, finished_at = NULL")
    with connect(imported) as connection:
        take_deploy_lock(connection, 0, Stop(60), "dry run")
        assert "stopped  at record 100" in told(capsys)
        seen = as_json(capsys)
    assert seen["deploy_lock"]["name"] == "lead-import dry run"
    assert not seen["imports"][0]["running"]


def test_a_pause_is_no_working_time(imported: URL, capsys: pytest.CaptureFixture[str]) -> None:
    """An import stopped and resumed two days later adds up the time of its batches."""
    run(imported, "UPDATE lead_imports SET started_at = finished_at - interval '2 days'")
    run(imported, "UPDATE lead_import_batches SET started_at = finished_at - interval '7 seconds'")
    words = " ".join(told(capsys).split())
    assert re.search(r"when \S+ \S+ UTC to \S+ \S+ UTC, 7 s of work", words)
    [receipt] = as_json(capsys)["imports"]
    assert (receipt["seconds"], receipt["worked_seconds"]) == (2 * 86_400, 7)
    assert receipt["records_a_second"] == 217 / 7


def test_a_reverted_import_stays_with_what_was_taken_back(
    imported: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    """Print the receipt of the revert, and the import as pending again."""
    downgrade(imported)
    words = " ".join(told(capsys).split())
    assert f"{EXPORT} reverted" in words
    assert "UTC: 10 leads restored, 0 kept" in words
    assert f"{EXPORT}: 217 records, not imported." in words


def test_a_half_reverted_import_says_so(imported: URL, capsys: pytest.CaptureFixture[str]) -> None:
    """Say up to which record it is reverted, and what to do."""
    run(imported, "UPDATE lead_imports SET revert_next_record = 50")
    words = " ".join(told(capsys).split())
    assert f"{EXPORT} being reverted" in words
    assert "up to record 50 of 217 (23 %), stopped" in words
    wrong = (
        f"{EXPORT}: its downgrade has only reached record 50 of 217. Finish it, then import "
        "again: 'alembic downgrade -1', then 'alembic upgrade head'."
    )
    assert f"wrong: {wrong}" in words
    assert main(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["faults"] == [wrong]


def test_somebody_elses_table_of_that_name_is_no_ledger(
    database: URL, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is not read, and an upgrade says it does not fit."""
    monkeypatch.setenv("DATABASE_URL", shown(database))
    run(database, "CREATE TABLE lead_imports (id text)")
    assert "Its ledger has no imports." in told(capsys)
    with pytest.raises(
        CommandError, match="a table lead_imports is there and is no ledger of ours"
    ):
        upgrade(database)


def test_a_database_without_a_ledger_has_no_imports(
    database: URL, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 0, with the pending imports."""
    monkeypatch.setenv("DATABASE_URL", shown(database))
    words = told(capsys)
    assert "stamped with nothing" in words
    assert "Its ledger has no imports." in words
    assert f"{EXPORT}: 217 records, not imported." in words
    assert main(["status", "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["imports"], status["stamped"]) == ([], [])
    assert status["pending"][0]["revision"] == IMPORT


def test_what_the_ledger_holds_does_not_reach_the_terminal(
    imported: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    """Escape sequences are not text."""
    run(imported, "UPDATE lead_imports SET ran_by = E'\\x1b[2J[bold]somebody'")
    assert "by       �[2J[bold]somebody" in told(capsys)


def test_a_database_that_does_not_answer_is_exit_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence on standard error."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody:secret@127.0.0.1:1/none")
    monkeypatch.setattr(connection, "PATIENCE", 0)
    assert main(["status"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "No connection to the database" in said.err
    assert "secret" not in said.err


@pytest.mark.parametrize("command", [["status"], ["status", "--json"]])
def test_a_standard_output_that_is_full_is_exit_status_1(imported: URL, command: list[str]) -> None:
    """One sentence on standard error."""
    with open("/dev/full", "w") as full:
        told = subprocess.run(
            [sys.executable, "-m", "migrations", *command],
            check=False, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
        )  # fmt: skip
    assert told.returncode == 1
    _database, *said = told.stderr.splitlines()
    assert said == ["Standard output: No space left on device. Fix this and try again."]


def test_a_reader_that_has_seen_enough_is_no_complaint(imported: URL) -> None:
    """As for a closed pipe, exit status 1 and print nothing but the database's name."""
    back, to = os.pipe()
    os.close(back)
    told = subprocess.run(
        [sys.executable, "-m", "migrations", "status", "--json"],
        check=False, cwd=ROOT, stdout=to, stderr=subprocess.PIPE, text=True, timeout=60,
    )  # fmt: skip
    os.close(to)
    assert told.returncode == 1
    assert [line.split(": ")[0] for line in told.stderr.splitlines()] == ["Database"]


def test_an_encoding_without_a_character_for_it_gets_a_question_mark(imported: URL) -> None:
    """A terminal may not use UTF-8."""
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii"}
    told = subprocess.run(
        [sys.executable, "-m", "migrations", "status"],
        check=False, cwd=ROOT, capture_output=True, text=True, timeout=60, env=ascii_only,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert "sha256   8f8e3dd8fe99?" in told.stdout


def test_a_command_that_is_called_wrongly_is_exit_status_2() -> None:
    """This is argparse's own status."""
    with pytest.raises(SystemExit) as left:
        main(["status", "--no-such-option"])
    assert left.value.code == 2


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.01, "under 0.1 s"),
        (0.44, "0.4 s"),
        (5, "5 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
    ],
)
def test_spans_of_time_read_well(seconds: float, told: str) -> None:
    """Use the units that matter."""
    assert time_span(seconds) == told


def test_alembic_says_no_with_255(database: URL) -> None:
    """Alembic uses this exit status for every refusal."""
    assert alembic(database, "-x", "no-such-option=1", "upgrade", "head").returncode == 255


def test_a_table_of_the_ledger_that_is_not_there_is_named(
    imported: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status has the remedy, and commands that need the table say so."""
    run(imported, "DROP TABLE lead_before_images")
    for command, status in (("status", 0), ("verify", 1)):
        assert main([command]) == status
        printed = " ".join(capsys.readouterr().out.split())
        assert "the table lead_before_images is not there. Run 'alembic stamp base'" in printed
    assert main(["forget", "--older-than", "0d"]) == 1
    assert "The database lacks the table lead_before_images." in capsys.readouterr().err


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE lead_imports SET declaration = '[]'",
        """UPDATE lead_imports SET declaration = '{"table": "leads"}'""",
        "UPDATE lead_imports SET declaration = ''",
        "UPDATE lead_imports SET declaration = '1'",
    ],
)
def test_a_ledger_that_cannot_be_read_is_a_sentence(
    change: str, imported: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody has written to it."""
    run(imported, change)
    for command in ("status", "verify"):
        assert main([command]) == 1
        assert "The ledger cannot be read" in capsys.readouterr().err
    for way in (upgrade, downgrade):
        with pytest.raises(CommandError, match="The ledger cannot be read"):
            way(imported)
