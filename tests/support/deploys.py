"""Deploys that something goes wrong with: each one ``alembic`` in a process of its own.

    deploy = deploys.run(url, "upgrade", "head", faults=[KillBefore("COMMIT", nth=2)])
    assert deploy.status == -signal.SIGKILL

A process is forked from one that has imported everything already, which takes a tenth of starting
it anew: that is what makes a kill before every single statement affordable. What any of them says
is looked through for values of the export, and for the password.
"""

import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from alembic.config import main as alembic
from sqlalchemy import URL

from tests.support.bundled import EXPORT, ROOT
from tests.support.database import shown
from tests.support.programs import fresh_process

__all__ = ["PASSWORD", "Deploy", "Deploys", "Fault", "assert_discreet"]

Fault = Callable[[], None]
"""Called in the process of a deploy, before it starts."""

PASSWORD = "pass-that-no-log-may-show"
"""Where the server asks for none, it is given one all the same: it must not be shown."""


class Deploy:
    """``alembic …`` in a process of its own; it runs already."""

    def __init__(
        self, url: URL, arguments: Sequence[str], faults: Sequence[Fault], log: Path, ini: Path
    ) -> None:
        self._log = log
        self._process = fresh_process.Process(
            target=_run,
            args=(ini, shown(with_password(url)), arguments, faults, log),
            daemon=True,
        )
        self._process.start()

    @property
    def output(self) -> str:
        """What it has said so far."""
        return self._log.read_text(encoding="utf-8") if self._log.exists() else ""

    @property
    def running(self) -> bool:
        return self._process.is_alive()

    @property
    def status(self) -> int:
        """Its exit status, once it is through; of a signal that ended it the negative number."""
        return self.wait()

    def wait(self, seconds: float = 90) -> int:
        """Wait for its end; returns the exit status."""
        self._process.join(seconds)
        assert self._process.exitcode is not None, f"did not end within {seconds} s:\n{self.output}"
        return self._process.exitcode

    def wait_until_it_says(self, part: str, seconds: float = 30) -> None:
        """Wait for a line with these words."""
        end = time.monotonic() + seconds
        while part not in self.output:
            assert self.running or part in self.output, self.output
            assert time.monotonic() < end, f"never said {part!r}:\n{self.output}"
            time.sleep(0.01)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if self.running and self._process.pid:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, number)

    def end(self) -> None:
        """End it, whatever it is doing."""
        self._process.kill()
        self._process.join()
        self._process.close()


class Deploys:
    """Starts deploys, ends them all, and looks through what they said.

    ini: Alembic's, which says how much is logged.
    """

    def __init__(self, folder: Path, ini: Path = ROOT / "alembic.ini") -> None:
        self._folder = folder
        self._ini = ini
        self._started: list[Deploy] = []
        self.exports = [EXPORT]

    def start(self, url: URL, *arguments: str, faults: Sequence[Fault] = ()) -> Deploy:
        """Start ``alembic`` with these arguments, and go on."""
        log = self._folder / f"deploy-{len(self._started) + 1}.log"
        self._started.append(Deploy(url, arguments, faults, log, self._ini))
        return self._started[-1]

    def run(self, url: URL, *arguments: str, faults: Sequence[Fault] = ()) -> Deploy:
        """Run ``alembic`` with these arguments to its end, whatever that is."""
        deploy = self.start(url, *arguments, faults=faults)
        deploy.wait()
        return deploy

    def succeed(self, url: URL, *arguments: str, faults: Sequence[Fault] = ()) -> Deploy:
        """Like ``run``, and it must end well."""
        deploy = self.run(url, *arguments, faults=faults)
        assert deploy.status == 0, deploy.output
        return deploy

    @contextmanager
    def watched(self) -> Iterator["Deploys"]:
        """End what still runs at the end of the block, then look through what was said."""
        try:
            yield self
        finally:
            for deploy in self._started:
                deploy.end()
        assert_discreet((deploy.output for deploy in self._started), self.exports)


def assert_discreet(outputs: Iterable[str], exports: Iterable[Path] = (EXPORT,)) -> None:
    """Check that no output holds a name, phone, e-mail or note of an export, nor a password, nor a
    traceback: a fault that fails by itself proves nothing."""
    secrets = {PASSWORD}
    for export in exports:
        for record in json.loads(export.read_text(encoding="utf-8")):
            whole = (
                record[field]
                for field in ("full_name", "phone", "email", "notes", "assigned_agent")
            )
            digits = re.sub(r"\D", "", record["phone"])[-9:]  # those that each spelling ends with
            secrets.update(
                value for value in (*whole, record["full_name"].split()[-1], digits) if value
            )
    for output in outputs:
        shown = sorted(secret for secret in secrets if secret in output)
        assert not shown, f"{len(shown)} values are shown, {shown[0]!r} among them"
        assert "Traceback" not in output, output


def with_password(url: URL) -> URL:
    return url if url.password else url.set(password=PASSWORD)


def _run(ini: Path, url: str, arguments: Sequence[str], faults: Sequence[Fault], log: Path) -> None:
    """The life of a deploy's process."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.pop("RENDER", None)
    os.environ["DATABASE_URL"] = url
    for fault in faults:
        fault()
    alembic(["-c", str(ini), *arguments])
