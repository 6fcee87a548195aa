"""What the site could do before, it can do in mid-chain and after: roles, sessions, rows."""

import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

import pytest
from alembic.util import CommandError
from sqlalchemy import URL, create_engine, text
from sqlalchemy.exc import ProgrammingError, SQLAlchemyError

from migrations.importer.sql import LEDGER_TABLES
from models import Base
from tests.conftest import NewDatabase
from tests.support.bundled import BEFORE_IMPORT, IMPORT, records
from tests.support.crm import add_lead, picture
from tests.support.database import connected, run, shown, value
from tests.support.deploys import Deploys
from tests.support.faults import HoldBefore, KillBefore
from tests.support.promises import assert_imported
from tests.support.reverts import found_by_phone
from tests.support.roles import GIVEN_EVERYTHING, another_role
from tests.support.servers import tool
from tests.support.upgrades import alembic, downgrade, upgrade

CHAIN = ("0001_baseline", "0002_phone_key", BEFORE_IMPORT, IMPORT)
ON_LEADS = (
    "GRANT USAGE ON SCHEMA public TO {role}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON leads TO {role}",
)
"""All that the site's role has; the sequence of an identity needs no right."""


@contextmanager
def site(url: URL) -> Iterator[URL]:
    """The site's role, as strict owners make one: no function is anybody's but its owner's."""
    run(url, "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC")
    with another_role(url, *ON_LEADS) as role:
        yield role


def work(url: URL) -> None:
    """Add, edit and delete a lead, as the site does, and leave none behind."""
    lead_id = add_lead(url, full_name="Of the site", phone="07700 900777")
    run(url, "UPDATE leads SET status = 'booked', phone = '' WHERE id = :id", id=lead_id)
    deleted = run(url, "DELETE FROM leads WHERE id = :id RETURNING status", id=lead_id)
    assert [row.status for row in deleted] == ["booked"]


def owners_tables(url: URL) -> None:
    """Tables that were there before the first revision."""
    engine = create_engine(url)
    Base.metadata.create_all(engine)
    engine.dispose()


def first_revision(url: URL) -> None:
    """Tables that the first revision makes."""
    upgrade(url, CHAIN[0])


# Rights.


@pytest.mark.parametrize("make", [owners_tables, first_revision])
def test_a_role_with_rights_on_leads_alone_works_on_after_each_revision(
    make: Callable[[URL], None], database: URL
) -> None:
    """All the way up, and all the way back."""
    make(database)
    with site(database) as role:
        work(role)
        for revision in CHAIN:
            upgrade(database, revision)
            work(role)
        for revision in reversed(CHAIN[:-1]):
            downgrade(database, revision)
            work(role)


def test_a_role_with_rights_on_leads_alone_works_on_in_the_middle_of_a_batch(
    crm_with_leads: URL, tmp_path: Path
) -> None:
    """While the batch holds its leads; what it is not about is nobody's to wait for."""
    before = picture(crm_with_leads)
    held = HoldBefore("INSERT INTO lead_import_batches")
    with site(crm_with_leads) as role, Deploys(tmp_path).watched() as deploys:
        deploy = deploys.start(crm_with_leads, "upgrade", "head", faults=[held])
        held.wait()
        with connected(role) as connection:
            connection.execute(text("SET statement_timeout = '5s'"))
            add = "INSERT INTO leads (phone) VALUES ('07700 900777')"
            edit = "UPDATE leads SET status = 'booked' WHERE phone = '07700 900777'"
            connection.execute(text(add))
            connection.execute(text(edit))
            connection.execute(text("DELETE FROM leads WHERE phone = '07700 900777'"))
        held.let_go()
        assert deploy.status == 0, deploy.output
    audited = run(crm_with_leads, "SELECT action FROM lead_audit ORDER BY id")
    assert [row.action for row in audited] == ["insert", "update", "delete"]
    run(crm_with_leads, "TRUNCATE lead_audit")
    assert_imported(crm_with_leads, before)


@pytest.mark.parametrize(
    "misfit",
    [
        "ALTER TABLE leads ADD region text NOT NULL",
        "ALTER TABLE leads ALTER full_name TYPE varchar(12)",
        "CREATE FUNCTION lead_phone_key_v1(text) RETURNS text LANGUAGE sql AS 'SELECT $1'",
    ],
    ids=["by the first revision", "by the import", "by the phone's key"],
)
def test_a_role_with_rights_on_leads_alone_works_on_after_a_refused_deploy(
    misfit: str, database: URL
) -> None:
    """Wherever the chain was refused."""
    owners_tables(database)
    run(database, misfit)
    with site(database) as role:
        with pytest.raises(CommandError):
            upgrade(database)
        if "region" in misfit:
            run(role, "INSERT INTO leads (phone, region) VALUES ('07700 900777', 'north')")
            run(role, "UPDATE leads SET status = 'booked'")
            run(role, "DELETE FROM leads")
        else:
            work(role)


@dataclass
class Busy:
    """A site that adds, edits and deletes leads without a pause: how often, and what went wrong."""

    done: int = 0
    wrong: list[str] = field(default_factory=list)


@contextmanager
def busy(role: URL) -> Iterator[Busy]:
    """Let a site work beside the block: a session as any other, and one without a search_path."""
    site, over = Busy(), Event()
    threads = [Thread(target=_work_on, args=(role, path, site, over)) for path in ("public", "")]
    for thread in threads:
        thread.start()
    try:
        yield site
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _work_on(role: URL, search_path: str, site: Busy, over: Event) -> None:
    n = 0
    with connected(role) as connection:
        connection.execute(text(f"SET search_path = '{search_path}'"))
        while not over.is_set():
            n += 1
            phone = f"07700 900{n % 1000:03d}"
            for statement in (
                "INSERT INTO public.leads (phone, notes) VALUES (:phone, 'of the site')",
                "UPDATE public.leads SET status = 'booked' WHERE id = "
                "(SELECT max(id) FROM public.leads "
                "WHERE phone = :phone AND notes = 'of the site')",
                "DELETE FROM public.leads WHERE phone = :phone AND notes = 'of the site'",
            ):
                try:
                    connection.execute(text(statement), {"phone": phone})
                    site.done += 1
                except SQLAlchemyError as error:
                    site.wrong.append(str(error))


@pytest.mark.parametrize("make", [owners_tables, first_revision])
def test_a_site_that_never_pauses_meets_no_error(
    make: Callable[[URL], None], database: URL, tmp_path: Path
) -> None:
    """Beside deploys that are cut off, refused and done, a revert, and all the way back."""
    make(database)
    killed = KillBefore("-- step: update leads", nth=2)
    with site(database) as role, busy(role) as beside, Deploys(tmp_path).watched() as deploys:
        cut_off = deploys.run(database, "-x", "batch-size=50", "upgrade", "head", faults=[killed])
        assert cut_off.status == -signal.SIGKILL
        run(database, "ALTER TABLE leads ADD CONSTRAINT sane CHECK (notes <> '') NOT VALID")
        refused = deploys.run(database, "upgrade", "head")
        assert "breaks the rule sane of leads" in refused.output
        run(database, "ALTER TABLE leads DROP CONSTRAINT sane")
        deploys.succeed(database, "upgrade", "head")
        deploys.succeed(database, "-x", "remove-created", "downgrade", "-1")
        deploys.succeed(database, "upgrade", "head")
        deploys.succeed(database, "downgrade", "base")
    assert beside.wrong == []
    assert beside.done > 100


def test_what_default_privileges_give_to_others_is_not_the_ledger(database: URL) -> None:
    """A platform's public API, whose role gets each new table, would show old names and phones."""
    with another_role(database, *GIVEN_EVERYTHING) as role:
        upgrade(database)
        for name in (*LEDGER_TABLES, "lead_imports_id_seq"):
            with pytest.raises(ProgrammingError, match="permission denied"):
                run(role, f"SELECT * FROM {name}")
        assert run(role, "SELECT count(*) FROM alembic_version") == [(1,)]


# Sessions.


@pytest.mark.parametrize("up_to", CHAIN)
def test_a_session_with_an_empty_search_path_writes_and_is_audited(
    up_to: str, database: URL
) -> None:
    """As pg_dump's scripts and careful functions do, from the first revision on."""
    upgrade(database, up_to)
    run(database, "TRUNCATE lead_audit")
    with connected(database) as connection:
        for statement in (
            "SET search_path = ''",
            "INSERT INTO public.leads (phone) VALUES ('07700 900777')",
            "UPDATE public.leads SET status = 'booked' WHERE phone = '07700 900777'",
            "DELETE FROM public.leads WHERE phone = '07700 900777'",
        ):
            connection.execute(text(statement))
    audited = run(database, "SELECT action FROM lead_audit ORDER BY id")
    assert [row.action for row in audited] == ["insert", "update", "delete"]


def test_a_schema_that_is_searched_first_changes_nothing(crm: URL) -> None:
    """Another table lead_audit, or function of the key's name, is not taken for the CRM's."""
    upgrade(crm)
    run(crm, "CREATE SCHEMA decoy")
    run(crm, "CREATE TABLE decoy.lead_audit (LIKE public.lead_audit)")
    run(
        crm,
        "CREATE FUNCTION decoy.lead_phone_key_v1(text) RETURNS text LANGUAGE sql AS 'SELECT NULL'",
    )
    with connected(crm) as connection:
        connection.execute(text("SET search_path = decoy, public"))
        connection.execute(text("INSERT INTO leads (phone) VALUES ('07700 900777')"))
    assert value(crm, "SELECT count(*) FROM decoy.lead_audit") == 0
    assert value(crm, "SELECT count(*) FROM public.lead_audit") == 1
    assert found_by_phone(crm, "+447700900777")


def test_the_rows_of_leads_are_dumped_and_restored(crm: URL, new_database: NewDatabase) -> None:
    """``pg_dump --data-only``, whose script empties the search_path: into a CRM of the same
    revisions, also as the site's role."""
    upgrade(crm)
    dump, psql = tool("pg_dump", crm), tool("psql", crm)
    dumped = subprocess.run(
        [dump, "--data-only", "--table=public.leads", shown(crm)], check=True, capture_output=True
    )
    elsewhere = new_database()
    upgrade(elsewhere, BEFORE_IMPORT)
    restore = [psql, "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", shown(elsewhere)]
    subprocess.run(restore, check=True, input=dumped.stdout, stdout=subprocess.DEVNULL)
    every = "SELECT leads\\:\\:text FROM leads ORDER BY id"
    assert run(elsewhere, every) == run(crm, every)
    assert value(elsewhere, "SELECT count(*) FROM lead_audit") == len(records())


# Rows.


@pytest.mark.parametrize("make", [owners_tables, first_revision])
def test_the_site_may_hold_two_leads_with_one_phone(
    make: Callable[[URL], None], database: URL
) -> None:
    """It adds a second lead with a phone of the export, and deletes the older of the two; the
    younger one is then the one that an import finds."""
    make(database)
    upgrade(database)
    phone = records()[0]["phone"]
    older = found_by_phone(database, phone)
    younger = add_lead(database, phone=phone, full_name="Second")
    run(database, "DELETE FROM leads WHERE id = :id", id=older)
    assert found_by_phone(database, phone) == younger
    downgrade(database)
    upgrade(database)
    assert value(database, f"SELECT full_name FROM leads WHERE id = {younger}") != "Second"
    assert value(database, "SELECT count(*) FROM leads") == len(records())


def test_the_older_of_two_leads_that_were_there_may_be_deleted(crm: URL) -> None:
    """The import has updated it, and the younger one does not depend on it."""
    phone = records()[0]["phone"]
    older, younger = (add_lead(crm, phone=phone, created_at=f"2024-0{n}-01") for n in (1, 2))
    upgrade(crm)
    run(crm, "DELETE FROM leads WHERE id = :id", id=older)
    assert found_by_phone(crm, phone) == younger
    downgrade(crm, BEFORE_IMPORT, "remove-created")
    assert list(picture(crm).leads) == [younger]


# The audit trail.


@pytest.mark.parametrize("scope", ["LOCAL", "SESSION"])
@pytest.mark.parametrize("lock", [False, True], ids=["as it is", "with the deploy's lock"])
def test_an_edit_that_asks_to_be_skipped_is_audited(crm: URL, scope: str, lock: bool) -> None:
    """``app.skip_audit`` is an import's alone; the site's role is none, even if it takes the
    deploy's lock."""
    upgrade(crm)
    lead_id = found_by_phone(crm, records()[0]["phone"])
    with site(crm) as role, connected(role) as connection:
        if lock:
            taken = f"SELECT pg_advisory_lock({int.from_bytes(b'leads-im')})"
            connection.execute(text(taken))
        for statement in (
            "BEGIN",
            f"SET {scope} app.skip_audit = 'on'",
            f"UPDATE leads SET status = 'hidden' WHERE id = {lead_id}",
            "INSERT INTO leads (phone) VALUES ('07700 900777')",
            "DELETE FROM leads WHERE phone = '07700 900777'",
            "COMMIT",
        ):
            connection.execute(text(statement))
    audited = run(crm, "SELECT action FROM lead_audit ORDER BY id")
    assert [row.action for row in audited] == ["update", "insert", "delete"]


def test_an_edit_that_asks_to_be_skipped_is_not_lost_in_a_revert(crm: URL) -> None:
    """It stays as any other edit does."""
    upgrade(crm)
    lead_id = found_by_phone(crm, records()[0]["phone"])
    with connected(crm) as connection:
        connection.execute(text("SET app.skip_audit = 'on'"))
        connection.execute(text(f"UPDATE leads SET status = 'hidden' WHERE id = {lead_id}"))
    assert value(crm, "SELECT after ->> 'status' FROM lead_audit") == "hidden"
    downgrade(crm, BEFORE_IMPORT, "remove-created")
    assert {i: lead["status"] for i, lead in picture(crm).leads.items()} == {lead_id: "hidden"}


# Triggers of the site's own.


def test_no_revision_before_the_import_provokes_a_trigger_on_leads(database: URL) -> None:
    """Nor does a downgrade below it: no row of leads is written, not even a row version."""
    owners_tables(database)
    add_lead(database, phone=records()[0]["phone"])
    run(database, "CREATE TABLE mailings (what text)")
    body = "BEGIN INSERT INTO mailings VALUES (TG_OP); RETURN NULL; END"
    run(database, f"CREATE FUNCTION mail() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
    run(
        database,
        "CREATE TRIGGER mail AFTER INSERT OR UPDATE OR DELETE ON leads "
        "FOR EACH STATEMENT EXECUTE FUNCTION mail()",
    )
    rows = "SELECT xmin\\:\\:text, ctid\\:\\:text FROM leads"
    before = run(database, rows)
    upgrade(database, BEFORE_IMPORT)
    downgrade(database, "base")
    assert run(database, rows) == before
    assert value(database, "SELECT count(*) FROM mailings") == 0


def test_a_trigger_that_only_notifies_is_named_before_the_first_write(crm: URL) -> None:
    """What it tells others is in no count of rows. A trigger that is off is not named."""
    body = "BEGIN PERFORM pg_notify('sales', 'a lead'); RETURN NULL; END"
    run(crm, f"CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")
    for name in ("tell sales", "tell nobody"):
        run(
            crm,
            f'CREATE TRIGGER "{name}" AFTER INSERT ON leads FOR EACH ROW EXECUTE FUNCTION tell()',
        )
    run(crm, 'ALTER TABLE leads DISABLE TRIGGER "tell nobody"')
    said = alembic(crm, "upgrade", IMPORT).stdout
    assert "leads has triggers, and an import fires them too: tell sales.\n" in said
    assert said.index("tell sales") < said.index("217 created")
