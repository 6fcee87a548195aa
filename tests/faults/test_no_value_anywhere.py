"""Whatever goes wrong, no name, phone, e-mail, note or password is in any output or server's log.

Each deploy runs at log level DEBUG against a server that logs all. What ``pg_stat_activity`` shows
of a session are its statements, which stand in that log.
"""

import contextlib
import json
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, make_url, text

from migrations.__main__ import main
from migrations.importer import pinned
from migrations.importer.declaration import Leads, Lookup, Numeric
from migrations.importer.session import Server
from tests.conftest import build_crm
from tests.support.bundled import ROOT, Record
from tests.support.canaries import (
    PASSWORD,
    LoggingServer,
    canary,
    logging_server,
)
from tests.support.crm import add_lead
from tests.support.database import connected, run, shown, value, wait_until
from tests.support.deploys import Deploy, Deploys, Fault
from tests.support.ends import A_LOCK_IS_WAITED_FOR
from tests.support.exports import pin
from tests.support.faults import HoldBefore, KillBefore, Pinned
from tests.support.logs import found_in
from tests.support.sealed import new_key, sealed_copy

pytestmark = pytest.mark.server

HERE, ABOVE = 30, 10
"""Records of the export, and how many of their leads are there already."""
BATCHES = ("-x", "batch-size=10")
CANCEL = """
    SELECT pg_cancel_backend(pid) FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND datname = current_database()
"""


@pytest.fixture(scope="module")
def server() -> Iterator[LoggingServer]:
    """One that logs all."""
    with logging_server() as server:
        yield server


@pytest.fixture
def crm(server: LoggingServer) -> URL:
    """A CRM that has some of the export's leads."""
    return server.database("canaries", build_with_canaries).set(password=PASSWORD)


def build_with_canaries(url: URL) -> None:
    build_crm(url)
    for n in range(1, ABOVE + 1):
        known = canary(n)
        del known["id"]
        add_lead(url, **{**known, "notes": f"the canary's old note {n}", "email": ""})


@pytest.fixture
def debugging(tmp_path: Path) -> Path:
    """Alembic's settings of a deploy that logs all that it can."""
    written = (ROOT / "alembic.ini").read_text(encoding="utf-8")
    told = written.replace("%(here)s", str(ROOT))
    told = told.replace("level = INFO", "level = DEBUG").replace("level = WARNING", "level = DEBUG")
    path = tmp_path / "debug.ini"
    path.write_text(told, encoding="utf-8")
    return path


@dataclass(frozen=True)
class WatchFiles:
    """List each file that a deploy opens for writing, but for Python's own."""

    listed: Path

    def __call__(self) -> None:
        listed = os.open(self.listed, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

        def look(event: str, arguments: tuple[object, ...]) -> None:
            if event == "open" and isinstance(arguments[2], int):
                path, writes = str(arguments[0]), arguments[2] & (os.O_WRONLY | os.O_RDWR)
                if writes and "__pycache__" not in path and not path.startswith("/dev/"):
                    os.write(listed, f"file: {path}\n".encode())

        sys.addaudithook(look)


class Watched:
    """Deploys into one database, of which everything that can be read is looked through."""

    def __init__(self, url: URL, server: LoggingServer, deploys: Deploys, folder: Path) -> None:
        self.url = url
        self._folder = folder
        self._server = server
        self._deploys = deploys

    def start(self, *arguments: str, export: Pinned, faults: Sequence[Fault] = ()) -> Deploy:
        """Start a deploy of an export, and go on."""
        files = WatchFiles(self._folder / "files")
        return self._deploys.start(self.url, *arguments, faults=[files, export, *faults])

    def run(
        self, *arguments: str, export: Pinned, ends_well: bool, faults: Sequence[Fault] = ()
    ) -> Deploy:
        """Run a deploy of an export to its end; no value may be found."""
        deploy = self.start(*arguments, export=export, faults=faults)
        assert (deploy.status == 0) == ends_well, deploy.output
        assert self.found(deploy) == set()
        return deploy

    def server_log(self) -> str:
        """What the server has logged of our sessions."""
        return self._server.log_of_ours()

    def found(self, deploy: Deploy) -> set[str]:
        """Where values stand: lines of the output, of the server's log, of the ledger; and files
        that were written."""
        return {
            *(self._folder / "files").read_text(encoding="utf-8").splitlines(),
            *(f"output: {line}" for line in found_in(deploy.output)),
            *(f"server: {line}" for line in found_in(self._server.log_of_ours())),
            *(f"ledger: {line}" for line in found_in(ledger(self.url))),
        }


def ledger(url: URL) -> str:
    """All that it holds but for the before-images, which are there to hold values."""
    tables = ("lead_imports", "lead_import_batches", "lead_import_rejects")
    if not value(url, "SELECT to_regclass('lead_imports')"):
        return ""
    return "\n".join(
        row.line
        for table in tables
        for row in run(url, f"SELECT t\\:\\:text AS line FROM {table} AS t")
    )


@pytest.fixture
def watched(crm: URL, server: LoggingServer, debugging: Path, tmp_path: Path) -> Iterator[Watched]:
    deploys = Deploys(tmp_path, debugging)
    deploys.exports = []
    with deploys.watched():
        yield Watched(crm, server, deploys, tmp_path)


@pytest.fixture
def exported(tmp_path: Path) -> Callable[..., Pinned]:
    """An export of canaries; the ones named by position differ in some fields."""

    def exported(
        changed: dict[int, Record] | None = None, more: Record | None = None, **declared: Any
    ) -> Pinned:
        export = [canary(n, **(more or {})) for n in range(1, HERE + 1)]
        for position, fields in (changed or {}).items():
            export[position - 1] |= fields
        path = tmp_path / "export.json"
        path.write_text(json.dumps(export), encoding="utf-8")
        return Pinned(path, **declared)

    return exported


Export = Callable[..., Pinned]


def test_nothing_is_shown_if_all_goes_well(watched: Watched, exported: Export) -> None:
    """Up, a dry run of the way back, and back."""
    for arguments in (
        "-x dry-run upgrade head",
        "upgrade head",
        "-x dry-run downgrade -1",
        "-x remove-created downgrade -1",
    ):
        watched.run(*arguments.split(), export=exported(), ends_well=True)


BAD_RECORDS: dict[int, Record] = {
    1: {"phone": "canary"},
    2: {"phone": "07700 900111, 07700 900112"},
    3: {"created_at": "2024-02-30T00:00:00Z"},
    4: {"created_at": "canary"},
    5: {"notes": "canary \x00 note"},
    6: {"notes": "canary \ud800 note"},
    7: {"full_name": ["canary"]},
    8: {"full_name": True},
    9: {"canary-field": "canary"},
    10: {"notes": "canary" * 20_000},
}


@pytest.mark.parametrize("rejected", ["stop", "set aside"])
def test_a_record_that_is_wrong_is_not_shown(
    rejected: str, watched: Watched, exported: Export
) -> None:
    """Nor is it in the ledger, which keeps what is wrong with it."""
    export = exported(BAD_RECORDS, policies={"rejected": rejected})
    watched.run("upgrade", "head", export=export, ends_well=rejected != "stop")


def test_a_file_that_is_wrong_is_not_shown(watched: Watched, tmp_path: Path) -> None:
    """As a whole, or cut off, or of another kind."""
    for content in (
        b'[{"full_name": "Canary Nightingale',
        b'[{"full_name": "Canary", "full_name": "Canary"}]',
        b'{"canary": "07700 900123"}',
        b'[{"full_name": "Canary \xff"}]',
    ):
        path = tmp_path / "export.json"
        path.write_bytes(content)
        watched.run("upgrade", "head", export=Pinned(path, records=1), ends_well=False)


OF_OWNERS = """
    CREATE TABLE statuses (name text PRIMARY KEY);
    CREATE DOMAIN short AS text CHECK (VALUE NOT LIKE '25%');
    CREATE FUNCTION is_sane(given text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
    BEGIN
        IF given <> '' AND given NOT LIKE '%1' THEN
            RAISE EXCEPTION 'insane% %', '\\:', given USING ERRCODE = 'CRM01', DETAIL = given;
        END IF;
        RETURN true;
    END $$;
"""
JUDGED = {
    "breaks the rule plain": "ADD CONSTRAINT plain CHECK (length(full_name) < 22) NOT VALID",
    "breaks the rule casting": "ADD CONSTRAINT casting CHECK (notes\\:\\:int > 0) NOT VALID",
    "breaks the rule raising": "ADD CONSTRAINT raising CHECK (is_sane(full_name)) NOT VALID",
    "refers to no row of statuses": "ADD FOREIGN KEY (status) REFERENCES statuses NOT VALID",
    "is longer than the 22 characters of leads.full_name": "ALTER full_name TYPE varchar(22)",
    "does not fit address1 (short)": "ALTER address1 TYPE short",
    "makes the column area of leads fail": "ADD area integer GENERATED ALWAYS AS "
    "(nullif(split_part(email, '@', 2), '')\\:\\:int) STORED",
}
INDEXES = {
    "makes the index computed of leads fail": "INDEX computed ON leads ((email\\:\\:int)) "
    "WHERE email <> ''",
    "makes the index raising of leads fail": "UNIQUE INDEX raising ON leads (phone) "
    "WHERE is_sane(email)",
    "makes the index once of leads fail": "UNIQUE INDEX once ON leads ((email\\:\\:int)) "
    "WHERE email <> ''",
    "and leads.full_name, leads.postal_code is unique": "UNIQUE INDEX ON leads "
    "(full_name, postal_code)",
}


def test_what_the_table_demands_is_listed_without_a_value(
    watched: Watched, exported: Export
) -> None:
    """Whatever it is and however it fails: all of it before the first write."""
    same = {"full_name": "Canary Nightingale the Twenty"}
    run(watched.url, OF_OWNERS)
    for change in JUDGED.values():
        run(watched.url, f"ALTER TABLE leads {change}")
    for index in INDEXES.values():
        run(watched.url, f"CREATE {index}")
    deploy = watched.run("upgrade", "head", export=exported({28: same, 29: same}), ends_well=False)
    assert [told for told in [*JUDGED, *INDEXES] if told not in deploy.output] == []
    assert value(watched.url, "SELECT count(*) FROM lead_imports") == 0


MEANWHILE = {
    "CREATE UNIQUE INDEX computed ON leads ((email\\:\\:int)) WHERE email <> ''": "22P02",
    "ALTER TABLE leads ADD CONSTRAINT one FOREIGN KEY (notes) REFERENCES statuses "
    "DEFERRABLE INITIALLY DEFERRED NOT VALID": "constraint one, 23503",
    "ALTER TABLE leads ADD CONSTRAINT raising CHECK (is_sane(full_name)) NOT VALID": "CRM01",
    "CREATE UNIQUE INDEX one ON leads (status) WHERE id > 10": "constraint one, 23505",
    "ALTER TABLE leads ADD CONSTRAINT one EXCLUDE USING btree (status WITH =) WHERE (id > 10)":
    "constraint one, 23P01",
}  # fmt: skip


def test_what_the_table_demands_meanwhile_is_told_without_a_value(
    watched: Watched, exported: Export
) -> None:
    """After everything was judged; it is pinned down to a record."""
    run(watched.url, OF_OWNERS)
    for rule, told in MEANWHILE.items():
        held = HoldBefore("INSERT INTO lead_imports")
        deploy = watched.start(*BATCHES, "upgrade", "head", export=exported(), faults=[held])
        held.wait()
        run(watched.url, rule)
        held.let_go()
        assert deploy.status != 0
        assert told.replace("CRM01", "a row") in deploy.output
        assert "ERROR record " in deploy.output
        assert watched.found(deploy) == set()
        run(watched.url, "ALTER TABLE leads DROP CONSTRAINT IF EXISTS raising")
        run(watched.url, "ALTER TABLE leads DROP CONSTRAINT IF EXISTS one")
        run(watched.url, "DROP INDEX IF EXISTS computed, one")


DEFERRED = "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON leads DEFERRABLE INITIALLY DEFERRED"
RAISES = (
    "RAISE EXCEPTION 'no %', NEW.full_name",
    "RAISE EXCEPTION 'no' USING ERRCODE = '23514', DETAIL = NEW.email, HINT = NEW.phone",
    "PERFORM NEW.full_name\\:\\:integer",
    "EXECUTE format('SELECT %I', NEW.full_name)",
    "ASSERT false, NEW.full_name",
)
WRITES = "INSERT INTO settings (key, value) VALUES (NEW.full_name, NEW.email)"
SAYS = "RAISE NOTICE 'hello %', NEW.full_name; RAISE WARNING 'hello %', NEW.full_name"
ON_INSERT = "CREATE TRIGGER meddle BEFORE INSERT ON leads FOR EACH ROW EXECUTE FUNCTION meddle()"


def meddle(url: URL, body: str) -> None:
    """Let a trigger of the site's do something."""
    function = f"BEGIN {body}; RETURN NEW; END"
    run(
        url,
        "CREATE OR REPLACE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql "
        f"AS $$ {function.replace(':=', '=')} $$",
    )


def test_a_trigger_that_fails_shows_no_value(watched: Watched, exported: Export) -> None:
    """Its text is caught, and the record named that it fails at."""
    meddle(watched.url, WRITES)
    run(watched.url, ON_INSERT)
    watched.run(*BATCHES, "upgrade", "head", export=exported(), ends_well=False)
    for body in RAISES:
        meddle(watched.url, body)
        deploy = watched.run(*BATCHES, "upgrade", "head", export=exported(), ends_well=False)
        assert "ERROR record 11: the table refuses a row" in deploy.output
    meddle(watched.url, RAISES[0])
    run(watched.url, "DROP TRIGGER meddle ON leads")
    run(watched.url, f"{DEFERRED} FOR EACH ROW EXECUTE FUNCTION meddle()")
    deploy = watched.run(*BATCHES, "upgrade", "head", export=exported(), ends_well=False)
    assert "ERROR record 11: the table refuses a row" in deploy.output


def test_what_a_trigger_says_is_in_the_servers_log_alone(
    watched: Watched, exported: Export
) -> None:
    """A warning of the site's own is what remains there: no role but the owner's can keep it."""
    meddle(watched.url, SAYS)
    run(watched.url, ON_INSERT)
    deploy = watched.start("upgrade", "head", export=exported())
    assert deploy.status == 0
    remains = watched.found(deploy)
    assert remains
    assert {line for line in remains if ">> WARNING:  01000: hello" not in line} == set()


def test_what_does_not_fit_another_table_is_not_shown(watched: Watched, exported: Export) -> None:
    """A text in a column of numbers, a name that nobody has, a label that is not there."""
    run(watched.url, "ALTER TABLE leads ADD score integer, ADD agent bigint, ADD paid numeric")
    leads = Leads(
        "leads",
        full_name="full_name",
        phone="phone",
        notes="score",
        assigned_agent=Lookup("agent", "users", by="username"),
        bill=Numeric("paid"),
    )
    export = exported(more={"bill": "canary"}, leads=leads)
    deploy = watched.run("upgrade", "head", export=export, ends_well=False)
    assert "does not fit score (integer)" in deploy.output


def test_a_revert_that_something_forbids_shows_no_value(watched: Watched, exported: Export) -> None:
    """The lead's old value, or that of the import: what stays, stays."""
    watched.run("upgrade", "head", export=exported(), ends_well=True)
    meddle(watched.url, "RAISE EXCEPTION 'no %', NEW.notes")
    run(watched.url, ON_INSERT.replace("INSERT", "UPDATE"))
    deploy = watched.run("downgrade", "-1", export=exported(), ends_well=True)
    assert (
        f"reverted: 0 leads restored, {ABOVE} kept because edited since or held by a rule"
        in deploy.output
    )


@dataclass(frozen=True)
class CutInCopy:
    """An operator ends the COPY, or the session, while the server is at a row of it."""

    how: str

    def __call__(self) -> None:
        copy = Server.copy

        def copy_and_cut(server: Server, table: str, pieces: Iterable[bytes], **more: bool) -> None:
            pid = server.execute("SELECT pg_backend_pid()").scalar_one()
            copy(server, table, self._cut_off(pieces, pid), **more)

        Server.copy = copy_and_cut  # type: ignore[method-assign,assignment]

    def _cut_off(self, pieces: Iterable[bytes], pid: int) -> Iterator[bytes]:
        for n, piece in enumerate(pieces):
            yield piece
            if n == 2:
                url = make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+psycopg2")
                run(url, f"SELECT pg_{self.how}_backend({pid})")


@pytest.mark.parametrize("how", ["cancel", "terminate"])
def test_a_copy_that_is_cut_off_shows_no_row(how: str, watched: Watched, tmp_path: Path) -> None:
    """Though a server prints the line that it is at to its log, and the driver to standard
    error."""
    path = tmp_path / "export.json"
    path.write_text(json.dumps([canary(n) for n in range(1, 20_001)]), encoding="utf-8")
    export = Pinned(path)
    arguments = ("-x", "time-budget=2", "upgrade", "head")
    watched.run(*arguments, export=export, faults=[CutInCopy(how)], ends_well=False)


def test_what_is_cut_off_shows_no_value(watched: Watched, exported: Export) -> None:
    """By the site, an operator, a kill."""
    with connected(watched.url) as site:
        site.execute(text("BEGIN"))
        site.execute(text("SELECT FROM leads FOR UPDATE"))
        deploy = watched.start(*BATCHES, "upgrade", "head", export=exported())
        deploy.wait_until_it_says("55P03 lock not available")
        wait_until(watched.url, A_LOCK_IS_WAITED_FOR)
        run(watched.url, CANCEL)
        assert deploy.status != 0
        site.execute(text("ROLLBACK"))
    assert watched.found(deploy) == set()
    kill = KillBefore("-- step: update leads")
    watched.run(*BATCHES, "upgrade", "head", export=exported(), faults=[kill], ends_well=False)


COMMANDS = (
    "check EXPORT",
    "check --json EXPORT",
    "preview",
    "preview --json",
    "status",
    "status --json",
    "verify",
    "verify --json",
)


@pytest.fixture
def said(
    watched: Watched,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> Callable[[str], str]:
    """What a command of ours says in this process, and logs at level DEBUG."""

    def said(command: str) -> str:
        caplog.clear()
        with contextlib.suppress(SystemExit):
            main(command.split())
        return "\n".join([*capfd.readouterr(), caplog.text])

    caplog.set_level(logging.DEBUG)
    for name in ("sqlalchemy.engine", "sqlalchemy.pool", "sqlalchemy.dialects"):
        caplog.set_level(logging.DEBUG, name)
    monkeypatch.setenv("DATABASE_URL", shown(watched.url))
    return said


def test_no_command_shows_a_value(
    watched: Watched, exported: Export, said: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the import, and after somebody has edited and removed leads."""
    export = exported()
    pin(export.export, monkeypatch)
    for command in COMMANDS:
        assert found_in(said(command.replace("EXPORT", str(export.export)))) == set(), command
    watched.run("upgrade", "head", export=export, ends_well=True)
    run(watched.url, "UPDATE leads SET notes = 'canary' WHERE id < 5")
    run(watched.url, "DELETE FROM leads WHERE id > 25")
    for command in COMMANDS[2:]:
        assert found_in(said(command)) == set(), command
    assert found_in(watched.server_log()) == set()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://canary:canary-password@127.0.0.1:1/canary",
        "postgresql://canary:canary-password@127.0.0.1:bad/canary",
        "postgresql://canary:canary-pass/word@127.0.0.1/canary",
        "mysql://canary:canary-password@127.0.0.1/canary",
        "canary-password",
    ],
)
def test_no_password_is_shown(
    url: str, said: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a URL that leads nowhere, or is none."""
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setattr("migrations.deploy.connection.PATIENCE", 0)
    for command in ("status", "preview", "verify --json"):
        told = said(command)
        assert "canary-pass" not in told
        assert "Traceback" not in told


def test_half_a_key_is_not_shown(
    watched: Watched,
    exported: Export,
    said: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Nor one that is another's, or a file that should hold one and holds something else."""
    export = exported().export
    sealed = sealed_copy(tmp_path, new_key(), source=export)
    export.unlink()
    monkeypatch.setattr(pinned, "DATA", tmp_path)
    for key in ("AGE-SECRET-KEY-1CANARY", "canary", new_key()):
        monkeypatch.setenv("LEADS_AGE_KEY", key)
        told = said(f"check {sealed}")
        assert key not in told and "CANARY" not in told
        assert "Traceback" not in told
