"""An import is cut off, or is not alone."""

import signal
from pathlib import Path

import pytest
from alembic.util import CommandError
from sqlalchemy import URL, text

from tests.support.bundled import IMPORT, records
from tests.support.crm import picture, slow_down, speed_up
from tests.support.database import connected, run, value, wait_until
from tests.support.exports import bundle
from tests.support.previews import stop_after
from tests.support.promises import assert_imported
from tests.support.upgrades import alembic, start_alembic, upgrade


def test_a_killed_import_resumes_to_the_same_end(crm_with_leads: URL) -> None:
    """Send SIGKILL during a batch: committed leads stay, the next upgrade resumes, and no lead
    comes twice."""
    before = picture(crm_with_leads)
    slow_down(crm_with_leads, 0.01)
    upgrade = start_alembic(crm_with_leads, "-x", "batch-size=20", "upgrade", "head")
    wait_until(crm_with_leads, "SELECT max(next_record) >= 60 FROM lead_imports")
    upgrade.send_signal(signal.SIGKILL)
    upgrade.communicate()
    checkpoint = value(crm_with_leads, "SELECT next_record FROM lead_imports")
    assert 60 <= checkpoint < len(records())
    speed_up(crm_with_leads)
    again = alembic(crm_with_leads, "upgrade", "head")
    assert again.returncode == 0, again.stdout
    assert f"resumed at record {checkpoint + 1} of" in again.stdout
    assert_imported(crm_with_leads, before)


def test_an_import_that_has_not_begun_takes_a_mended_export(
    crm: URL, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its first batch was refused, so nothing stands by the old pins."""
    with monkeypatch.context() as before:
        bundle(records()[:5], before, tmp_path, rejected="set aside")
        body = "BEGIN RAISE EXCEPTION 'not yet'; END"
        run(crm, f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
        run(
            crm,
            "CREATE TRIGGER refuse BEFORE INSERT ON leads FOR EACH ROW EXECUTE FUNCTION refuse()",
        )
        with pytest.raises(CommandError):
            upgrade(crm)
    assert value(crm, "SELECT next_record FROM lead_imports") == 0
    run(crm, "DROP TRIGGER refuse ON leads")
    bundle(records()[:8], monkeypatch, tmp_path)
    upgrade(crm)
    assert run(crm, "SELECT records, created, policies FROM lead_imports") == [
        (8, 8, "rejected=stop, blanks=keep")
    ]


def test_two_upgrades_at_once_on_an_empty_database(database: URL) -> None:
    """Both succeed: one imports, the other waits and finds nothing to do."""
    both = [start_alembic(database, "upgrade", "head") for _ in range(2)]
    outputs = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert value(database, "SELECT count(*) FROM leads") == len(records())
    assert value(database, "SELECT count(*) FROM lead_imports") == 1


def test_a_lead_that_the_site_is_editing_is_waited_for(crm_with_leads: URL) -> None:
    """The batch lets go of a locked row and tries again, and imports over the edit committed
    meanwhile."""
    before = picture(crm_with_leads)
    with connected(crm_with_leads) as site:
        site.execute(text("BEGIN"))
        site.execute(text("UPDATE leads SET notes = 'being edited' WHERE full_name = 'Known 0'"))
        upgrade = start_alembic(crm_with_leads, "upgrade", "head")
        wait_until(
            crm_with_leads,
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'",
        )
        wait_until(
            crm_with_leads,
            "SELECT count(*) = 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'",
        )
        site.execute(text("ROLLBACK"))
    output, _ = upgrade.communicate(timeout=60)
    assert upgrade.returncode == 0, output
    assert "55P03 lock not available" in output
    assert_imported(crm_with_leads, before)


def test_a_deploy_lock_that_somebody_keeps_ends_the_wait(database: URL) -> None:
    """The wait is bounded, names the lock's holder, and ends with an error."""
    with connected(database) as other:
        other.execute(text("SET application_name = 'another deploy'"))
        other.execute(text("SELECT pg_advisory_lock(:key)"), {"key": int.from_bytes(b"leads-im")})
        waiting = alembic(database, "-x", "lock-wait=1", "upgrade", "head")
    assert waiting.returncode != 0
    assert "another deploy (server process" in waiting.stdout
    assert "Gave up after 1 s (-x lock-wait). Nothing was written." in waiting.stdout
    assert run(database, "SELECT to_regclass('leads')")[0][0] is None


def test_an_edit_to_what_is_in_does_not_keep_the_rest_out(
    crm: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lead keeps its record's unique number after people change its phone."""
    run(crm, "CREATE UNIQUE INDEX ON leads (lead_number)")
    before = picture(crm)
    with monkeypatch.context() as patch:
        stop_after(1, patch)
        with pytest.raises(CommandError, match="stopped because the test"):
            upgrade(crm, IMPORT, "batch-size=50")
    run(
        crm,
        "UPDATE leads SET phone = '0600000999' WHERE lead_number = :first",
        first=records()[0]["lead_number"],
    )
    upgrade(crm)
    assert value(crm, "SELECT count(*) FROM leads") == len(records())
    assert value(crm, "SELECT next_record FROM lead_imports") == len(records())
    assert picture(crm).users == before.users
