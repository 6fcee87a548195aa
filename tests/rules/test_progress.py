"""How far an import has come: a bar on a terminal, lines in a deploy's log."""

import logging
import os
import pty
import re
import subprocess
import sys

import pytest
from rich.console import Console
from sqlalchemy import URL, text

from migrations.importer.how_far import HowFar
from migrations.importer.progress import Progress
from migrations.importer.progress_bar import Line
from migrations.importer.session import DEPLOY_LOCK
from tests.support.bundled import ROOT
from tests.support.crm import slow_down
from tests.support.database import connected, shown
from tests.support.upgrades import alembic_command, start_alembic

# Takes two seconds, and logs a line in the middle of it.
WORK = """
import logging, time
from migrations.importer.progress import Progress
logging.basicConfig(level=logging.INFO, format="%(message)s")
with Progress("october_leads.json", "records") as progress:
    for n in range(10):
        time.sleep(0.05)
        progress.at(100 * n, 1000)
        if n == 5:
            logging.info("a line of the log")
logging.info("the end")
"""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Set the time: the list's only number."""
    now = [100.0]
    monkeypatch.setattr("migrations.importer.progress.time.monotonic", lambda: now[0])
    return now


def test_a_log_gets_a_line_every_few_seconds(
    caplog: pytest.LogCaptureFixture, clock: list[float]
) -> None:
    """It has done of total, time left, and a rate without the records of an earlier run."""
    caplog.set_level(logging.INFO)
    with Progress("october_leads.json", "records") as progress:
        for n in range(1, 8):
            clock[0] += 2
            progress.at(4000 + 1000 * n, 20_000)
        progress.at(20_000, 20_000)
    assert caplog.messages == [
        "october_leads.json: 7,000 of 20,000 records, 500 a second, 26 s left",
        "october_leads.json: 10,000 of 20,000 records, 500 a second, 20 s left",
    ]


def test_a_short_piece_of_work_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Its end is logged elsewhere."""
    caplog.set_level(logging.INFO)
    with Progress("october_leads.json", "records") as progress:
        progress.at(500, 1000)
        progress.at(1000, 1000)
    assert caplog.messages == []


def on_a_terminal(command: list[str], **environ: str) -> str:
    """Return what a command shows on a terminal."""
    mouth, terminal = pty.openpty()
    given = {
        name: value
        for name, value in os.environ.items()
        if name not in ("NO_COLOR", "FORCE_COLOR", "TERM")
    }
    process = subprocess.Popen(
        command, stdin=terminal, stdout=terminal, stderr=terminal, cwd=ROOT,
        env=given | {"TERM": "xterm-256color", "COLUMNS": "100", **environ},
    )  # fmt: skip
    os.close(terminal)
    shown = b""
    try:
        while chunk := os.read(mouth, 1 << 16):
            shown += chunk
    except OSError:  # the other end is closed
        pass
    os.close(mouth)
    assert process.wait(60) == 0, shown
    return shown.decode()


COLOUR = re.compile(r"\x1b\[[0-9;]*[39][0-9;]*m")


def test_a_terminal_gets_a_bar() -> None:
    """It has rate and time left, log lines stay whole above it, and it is gone at the end."""
    seen = on_a_terminal([sys.executable, "-c", WORK])
    assert "━" in seen
    assert re.search(r"\d00 of 1,000 records, [\d,]+ a second, .* left", seen)
    assert COLOUR.search(seen)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen).replace("\r", "\n").splitlines()
    assert "a line of the log" in [line.strip() for line in plain]
    assert "".join(plain).rstrip().endswith("the end")


def test_no_color_is_respected() -> None:
    """The bar has no colour."""
    seen = on_a_terminal([sys.executable, "-c", WORK], NO_COLOR="1")
    assert "━" in seen
    assert not COLOUR.search(seen)


def test_an_import_has_a_bar_on_a_terminal(crm: URL) -> None:
    """The check and the records have one each, and nothing is asked."""
    slow_down(crm, 0.002)
    seen = on_a_terminal(
        alembic_command("-x", "batch-size=50", "upgrade", "head"), DATABASE_URL=shown(crm)
    )
    assert "checking production_leads_export.json" in seen
    assert re.search(r"\d+ of 217 records", seen)


def test_waiting_for_the_lock_says_for_whom_and_how_long(crm: URL) -> None:
    """It says so at once, and then every few seconds."""
    with connected(crm) as other:
        other.execute(text("SELECT pg_advisory_lock(:key)"), {"key": DEPLOY_LOCK})
        upgrade = start_alembic(crm, "-x", "lock-wait=1", "upgrade", "head")
        output, _ = upgrade.communicate(timeout=60)
    assert upgrade.returncode == 255
    assert re.search(r"waiting for another deploy: 0 of 1 seconds: .* \(server process \d+", output)


@pytest.mark.parametrize(
    ("columns", "seen"),
    [
        (24, "checking october_le… 24%"),
        (38, "checking october_leads.json 24%"),
        (45, "checking october_leads.json 24%, 38 s left"),
        (70, "checking october_leads.json 12,000 of 50,000 records, 38 s left"),
        (80, "checking october_leads.json 12,000 of 50,000 records, 1,000 a second, 38 s left"),
        (
            90,
            "checking october_leads.json ━━         "
            "12,000 of 50,000 records, 1,000 a second, 38 s left",
        ),
    ],
)
def test_a_narrow_terminal_loses_the_bar_first_and_the_name_last(
    columns: int, seen: str, clock: list[float]
) -> None:
    """Rate, amount and time left go in between, and the percentage always stays."""
    narrow = Console(width=columns, force_terminal=True, color_system=None)
    how_far = HowFar("checking october_leads.json", "records")
    for done in (10_000, 11_000, 12_000):
        clock[0] += 1
        how_far.at(done, 50_000)
    with narrow.capture() as printed:
        narrow.print(Line(how_far))
    assert printed.get().strip() == seen
