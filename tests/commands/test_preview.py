"""``python -m migrations preview``: what ``alembic upgrade head`` would do."""

import csv
import json
import os
import re
import stat
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import URL

from migrations.__main__ import main
from tests.support.bundled import BEFORE_IMPORT, IMPORT, ROOT, records
from tests.support.crm import picture
from tests.support.database import run, shown
from tests.support.exports import bundle, written
from tests.support.projects import copy_project, migrations
from tests.support.released import REPOSITORY
from tests.support.upgrades import alembic, upgrade


def test_a_preview_is_figures_a_page_and_no_change(crm_with_leads: URL, tmp_path: Path) -> None:
    """Figures on standard output, the page in a file that only its owner can read."""
    before = picture(crm_with_leads)
    page = tmp_path / "preview.html"
    told = migrations(ROOT, "preview", "--html", str(page), url=crm_with_leads)
    assert told.returncode == 0, told.stderr
    assert "217 records: 207 created, 10 updated, 0 unchanged." in told.stdout
    assert "Leads: 50 before, 257 after, 0 deleted." in told.stdout
    assert f"Wrote {page}" in told.stderr
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert picture(crm_with_leads) == before


def test_machines_get_one_object_and_no_personal_data(crm_with_leads: URL) -> None:
    """Nothing but JSON on standard output; a lead that changes is its id and its fields' names."""
    told = migrations(ROOT, "preview", "--json", url=crm_with_leads)
    assert told.returncode == 0, told.stderr
    preview = json.loads(told.stdout)
    assert preview["leads"] == {"before": 50, "after": 257, "deleted": 0}
    assert preview["imports"][0]["counts"]["created"] == 207
    assert len(preview["changed"]) == 10
    assert "full_name" in preview["changed"][0]["fields"]
    assert "created" not in preview
    assert all(table["kept"] for table in preview["tables"])
    for record in records():
        assert record["full_name"] not in told.stdout
        assert record["phone"] not in told.stdout


def test_personal_data_where_it_is_asked_for(crm_with_leads: URL) -> None:
    """Every lead with its values."""
    told = migrations(
        ROOT, "preview", "--json", "--show-personal-data", "-x", "batch-size=50", url=crm_with_leads
    )
    preview = json.loads(told.stdout)
    assert {lead["phone"] for lead in preview["created"]} < {
        record["phone"] for record in records()
    }
    assert len(preview["created"]) == 207
    assert all(old != new for lead in preview["changed"] for old, new in lead["fields"].values())


def test_a_page_that_cannot_be_written_stops_before_the_run(
    crm_with_leads: URL, tmp_path: Path
) -> None:
    """Exit status 1, one sentence, and no dry run."""
    told = migrations(
        ROOT, "preview", "--html", str(tmp_path / "missing" / "page.html"), url=crm_with_leads
    )
    assert told.returncode == 1
    assert "page.html cannot be written: No such file or directory." in told.stderr
    assert "Running upgrade" not in told.stderr


def test_an_option_that_is_unknown_is_refused(crm_with_leads: URL) -> None:
    """As alembic would."""
    told = migrations(ROOT, "preview", "-x", "no-such=1", url=crm_with_leads)
    assert told.returncode == 1
    assert "-x no-such is not known" in told.stderr
    assert "Traceback" not in told.stderr


def test_two_imports_that_change_one_lead_show_it_once(database: URL, tmp_path: Path) -> None:
    """From what the first of them found to what the last one leaves; a lead that is created is not
    updated too."""
    project = copy_project(tmp_path)
    first, second = records()[:2]
    assert alembic(database, "upgrade", "0003_ledger", root=project).returncode == 0
    run(
        database,
        "INSERT INTO leads (phone, full_name) VALUES (:phone, 'As it was')",
        phone=first["phone"],
    )
    october = [first | {"full_name": "In October"}, second | {"full_name": "New, then renamed"}]
    path = written(october, tmp_path, "october_leads.json")
    assert migrations(project, "add", str(path), "-m", "import october leads").returncode == 0
    told = migrations(project, "preview", "--json", "--show-personal-data", url=database)
    assert told.returncode == 0, told.stderr
    preview = json.loads(told.stdout)
    assert [figures["counts"]["updated"] for figures in preview["imports"]] == [1, 2]
    [changed] = preview["changed"]
    assert changed["fields"]["full_name"] == ["As it was", "In October"]
    assert preview["total_created"] == len(records()) - 1
    assert "New, then renamed" in {lead["full_name"] for lead in preview["created"]}
    page = tmp_path / "preview.html"
    assert migrations(project, "preview", "--html", str(page), url=database).returncode == 0
    for export in ("production_leads_export.json", "october_leads.json"):
        assert f"export <b><bdi>{export}</bdi></b>" in page.read_text(encoding="utf-8")


def test_a_refused_export_is_exit_status_1_and_a_page_of_problems(
    database: URL, tmp_path: Path
) -> None:
    """What is wrong, for people and on the page."""
    project = copy_project(tmp_path)
    export = project / "data" / "production_leads_export.json"
    export.write_text(json.dumps([records()[0] | {"phone": "none", "lead_number": "MS9876"}]))
    revision = project / "migrations" / "versions" / f"{IMPORT}.py"
    digest = sha256(export.read_bytes()).hexdigest()
    revision.write_text(re.sub(r"[0-9a-f]{64}", digest, revision.read_text(encoding="utf-8")))
    page = tmp_path / "preview.html"
    told = migrations(project, "preview", "--html", str(page), url=database)
    assert told.returncode == 1
    assert "record 1, phone: is not one phone number" in told.stderr
    assert "MS9876" not in told.stdout + told.stderr
    html = page.read_text(encoding="utf-8")
    assert "is not one phone number" in html
    assert "MS9876" in html
    assert "--fix-sheet" in html
    told = migrations(project, "preview", "--json", url=database)
    assert told.returncode == 1
    preview = json.loads(told.stdout)
    assert preview["refused"] == "production_leads_export.json"
    assert preview["problems"][0]["lead_number"] == "MS9876"


def test_a_sheet_and_markdown(crm_with_leads: URL, tmp_path: Path) -> None:
    """The sheet in a file that only its owner can read; Markdown alone on standard output."""
    sheet = tmp_path / "preview.csv"
    told = migrations(ROOT, "preview", "--markdown", "--csv", str(sheet), url=crm_with_leads)
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("### Import preview: ")
    assert "217 records: 207 created, 10 updated, 0 unchanged." in told.stdout
    assert f"Wrote {sheet}" in told.stderr
    assert stat.S_IMODE(sheet.stat().st_mode) == 0o600
    with open(sheet, newline="", encoding="utf-8-sig") as file:
        leads = list(csv.DictReader(file))
    assert [lead["outcome"] for lead in leads] == ["updated"] * 10 + ["created"] * 207
    for record in records():
        assert record["full_name"] not in told.stdout
        assert record["lead_number"] not in told.stdout
        assert record["phone"] not in sheet.read_text(encoding="utf-8-sig")


def test_json_and_markdown_exclude_each_other(crm_with_leads: URL) -> None:
    """One of them has standard output for itself."""
    told = migrations(ROOT, "preview", "--json", "--markdown", url=crm_with_leads)
    assert told.returncode == 2
    assert "not allowed with argument" in told.stderr


def test_each_lead_has_a_line_and_nobody_is_named(crm_with_leads: URL) -> None:
    """Its number and its status; that the bundled export's people are invented is said too."""
    told = migrations(ROOT, "preview", url=crm_with_leads)
    lines = told.stdout.splitlines()
    assert len([line for line in lines if line.startswith("~ MS")]) == 10
    assert any(line.startswith("+ MS") for line in lines)
    assert "Its people are invented." in told.stdout
    for record in records():
        assert record["full_name"] not in told.stdout
        assert record["phone"] not in told.stdout


def test_the_workflow_of_a_pull_request_comments_with_markdown(
    database: URL, tmp_path: Path
) -> None:
    """Its own commands, on a database that the target branch was deployed on."""
    workflow = (REPOSITORY / ".github" / "workflows" / "preview.yml").read_text(encoding="utf-8")
    commands = {
        name: found[1]
        for name in ("Deploy the target branch", "Preview")
        if (found := re.search(rf"- name: {name}\n(?: +\S.*\n)*? +run: (.+)\n", workflow))
    }
    comment, summary = tmp_path / "preview.md", tmp_path / "summary"
    environ = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DATABASE_URL": shown(database),
        "LEADS_PEOPLE": "invented",
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_STEP_SUMMARY": str(summary),
    }
    bash = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"]
    for name in ("Preview", "Deploy the target branch", "Preview"):
        told = subprocess.run(
            [*bash, commands[name]],
            check=False, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert told.returncode == 0, told.stderr
    assert "217 records: 217 created" in summary.read_text(encoding="utf-8")
    assert "- Nothing to import." in comment.read_text(encoding="utf-8")
    assert comment.read_text(encoding="utf-8") in summary.read_text(encoding="utf-8")


def test_a_change_at_the_end_of_a_long_note_is_seen(
    crm: URL,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Although only the first characters are shown."""
    long = {"notes": "x" * 600}
    bundle([records()[0] | long], monkeypatch, tmp_path)
    upgrade(crm)
    run(crm, "UPDATE leads SET notes = notes || 'y'")
    run(crm, "TRUNCATE lead_imports, lead_import_batches, lead_import_rejects, lead_before_images")
    run(crm, "UPDATE alembic_version SET version_num = :before", before=BEFORE_IMPORT)
    monkeypatch.setenv("DATABASE_URL", shown(crm))
    assert main(["preview", "--json"]) == 0
    (changed,) = json.loads(capsys.readouterr().out)["changed"]
    assert changed["fields"] == ["notes"]


def test_leads_that_have_moved_do_not_fail_a_deploy_with_nothing_to_do(crm_with_leads: URL) -> None:
    """They are not counted then."""
    assert alembic(crm_with_leads, "upgrade", "head").returncode == 0
    run(crm_with_leads, "ALTER TABLE leads RENAME TO people")
    again = alembic(crm_with_leads, "upgrade", "head")
    assert again.returncode == 0, again.stdout
    assert "217 unchanged. Its" in again.stdout
