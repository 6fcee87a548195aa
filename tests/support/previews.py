"""Previews as the tests take them, and a browser to look at their page."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import URL

from migrations.commands.preview import options_of
from migrations.commands.project import alembic_config, connected
from migrations.importer import batches, pace, v1
from migrations.importer.errors import ExportRefused
from migrations.importer.ledger import Receipt
from migrations.importer.schema.leads import find_table
from migrations.preview.figures import ChangedLead, CreatedLead, Figures, Preview, Values
from migrations.preview.imported import find_imported
from migrations.preview.reading import read_preview
from tests.support.bundled import IMPORT, ROOT
from tests.support.database import connected as connected_to
from tests.support.database import shown

__all__ = [
    "Browser",
    "assert_foretold",
    "dry_run_of",
    "made_up",
    "preview_of",
    "running_browser",
    "stop_after",
]

NOTHING: Mapping[int, Receipt] = {}

# Chromium reads orders from descriptor 3 and answers to 4.
LAUNCHER = """
import os, sys
orders, answers = (os.dup(os.dup(os.dup(int(number)))) for number in sys.argv[1:3])
os.dup2(orders, 3)
os.dup2(answers, 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""


def preview_of(url: URL, *x: str) -> Preview:
    """The preview of ``python -m migrations preview``, in this process."""
    taken: list[Preview] = []
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DATABASE_URL", shown(url))
        try:
            with connected("the preview") as connection:
                read_preview(connection, alembic_config(), options_of(x), taken.append)
        except ExportRefused:
            if not taken:
                raise
    return taken[0]


def dry_run_of(url: URL, *x: str) -> Preview:
    """The preview of ``alembic -x dry-run upgrade head``, in this process."""
    taken: list[Preview] = []
    config = Config(ROOT / "alembic.ini", cmd_opts=Namespace(x=["dry-run", *x], quiet=True))
    config.attributes.update(configure_logger=False, show_preview=taken.append)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DATABASE_URL", shown(url))
        try:
            command.upgrade(config, IMPORT)
        except CommandError:
            if not taken:
                raise
    return taken[0]


def assert_foretold(preview: Preview, url: URL, before: Mapping[int, Receipt] = NOTHING) -> None:
    """Check that a preview has told what was then imported: counts, leads, problems.

    before: the receipts before that.
    """
    with connected_to(url) as connection:
        found = find_imported(connection, before, find_table)
    assert preview.imports == found.imports
    assert preview.changed == found.changed.listed
    assert preview.created == found.created.listed
    assert preview.problems == found.problems.listed
    assert preview.leads_after == preview.leads_before + found.created.total


def made_up(changed: int, created: int) -> Preview:
    """A preview of so many leads, of whom nobody exists and which no database has."""

    def lead(n: int) -> Values:
        return {
            "lead_number": f"MS{n:05}",
            "full_name": f"Ada Nettlebeck {n}",
            "phone": f"07700 900{n % 1000:03}",
            "status": "new",
            "notes": f"Asked for a quote, call {n} times on Monday or write a letter.",
        }

    def change(n: int) -> ChangedLead:
        old = lead(n) | {"status": "open", "phone": f"+44 7700 900{n % 1000:03}"}
        new = lead(n) | {
            "notes": f"Asked for a quote, call {n} times on Tuesday or write a letter."
        }
        fields = ["phone", "status", "notes"]
        return ChangedLead(n, f"MS{n:05}", f"Ada Nettlebeck {n}", fields, old, new, position=n)

    counts = {"created": created, "updated": changed, "unchanged": 0, "rejected": 0, "folded": 0}
    records = changed + created
    figures = Figures(IMPORT, "october_leads.json", "8f" * 32, records, records, counts)
    return Preview(
        "crm on db.example.com as deploy",
        datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        "leads",
        changed,
        changed + created,
        imports=[figures],
        changed=[change(n) for n in range(changed)],
        created=[CreatedLead(lead(n), position=n) for n in range(changed, changed + created)],
        total_changed=changed,
        total_created=created,
    )


def stop_after(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an import in this process be asked to stop after so many batches, for "the test".

    They are as large as was asked for, however slow the machine is.
    """
    done, apply_batch = 0, batches.apply_batch

    def counted(*arguments: Any) -> None:
        nonlocal done
        apply_batch(*arguments)
        done += 1

    monkeypatch.setattr(v1, "apply_batch", counted)
    monkeypatch.setattr(pace, "LONGEST_WORK", inf)
    monkeypatch.setattr(
        "migrations.deploy.stop.Stop.__call__", lambda _: "the test" if done >= count else None
    )


class Browser:
    """Headless Chromium, told what to do over a pipe
    (https://chromedevtools.github.io/devtools-protocol)."""

    def __init__(self, to: int, back: int) -> None:
        self._to, self._back = to, open(back, "rb")  # noqa: SIM115  # closed with the process
        self._buffer = b""
        self._number = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Give an order; returns the answer, and keeps the events that came before it."""
        self._number += 1
        order = {"id": self._number, "method": method, "params": parameters}
        order |= {"sessionId": self._session} if self._session else {}
        os.write(self._to, json.dumps(order).encode() + b"\0")
        while True:
            message = self._read()
            if message.get("id") == self._number:
                assert "error" not in message, message
                answer: dict[str, Any] = message["result"]
                return answer
            self.events.append(message)

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            chunk = self._back.read1(1 << 16)
            assert chunk, "the browser has ended"
            self._buffer += chunk
        message, _, self._buffer = self._buffer.partition(b"\0")
        read: dict[str, Any] = json.loads(message)
        return read

    def look(self, width: int, height: int, scheme: str) -> None:
        """Set the window's size and the colour scheme."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        self.send(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )

    def open(self, page: Path) -> None:
        """Open a file, and wait until it is there; what was before is forgotten."""
        self.events.clear()
        self.send("Page.navigate", url=page.as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._read())

    def ask(self, expression: str) -> Any:
        """The value of an expression in the page."""
        told = self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def complaints(self) -> list[dict[str, Any]]:
        """Everything on the console, and every exception."""
        said = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        return [event for event in self.events if event.get("method") in said]

    def requests(self) -> list[str]:
        """The addresses that the page asked for, its own among them."""
        sent = [
            event for event in self.events if event.get("method") == "Network.requestWillBeSent"
        ]
        return [event["params"]["request"]["url"] for event in sent]


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Start Chromium. Skips where there is none; in CI that is a failure."""
    program = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("Chromium is not installed, and this is CI: install the package chromium.")
        pytest.skip("Chromium is not installed")
    orders, to = os.pipe()
    back, answers = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = [
            "--headless", "--no-sandbox", "--no-first-run", "--remote-debugging-pipe",
            "--disable-gpu", "--disable-quic", "--disable-sync", "--disable-dev-shm-usage",
            "--disable-background-networking", "--disable-component-update",
            f"--user-data-dir={profile}",
        ]  # fmt: skip
        command = [sys.executable, "-c", LAUNCHER, str(orders), str(answers), program, *options]
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(
            command, pass_fds=(orders, answers), stdout=quiet, stderr=quiet, stdin=quiet
        )
        os.close(orders)
        os.close(answers)
        browser = None
        try:
            browser = Browser(to, back)
            yield browser
        finally:
            process.kill()
            process.wait()
            os.close(to)
            if browser:
                browser._back.close()
