"""Leads that can be recognised wherever they turn up, and a server that logs all it does.

with logging_server() as server:
    url = server.database()
    ...
    assert found_in(server.log_of_ours()) == set()
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL

from migrations.deploy.local_postgres import running
from tests.support.bundled import Record
from tests.support.logs import LOG_ALL, of_ours
from tests.support.postgres import Databases
from tests.support.servers import place_for

__all__ = ["PASSWORD", "LoggingServer", "canary", "logging_server"]

PASSWORD = "canary-password"


def canary(n: int, **changed: object) -> Record:
    """A record of which no name, phone, address, e-mail, note or agent may be shown anywhere."""
    return {
        "id": n,
        "lead_number": f"L-{n}",
        "full_name": f"Canary Nightingale {n}",
        "phone": f"07700 900{n:03d}",
        "email": f"canary.{n}@example.org",
        "status": "booked",
        "address1": f"{n} Canary Road",
        "postal_code": "ZZ99 9ZZ",
        "notes": f"A canary's note {n}\nof two lines",
        "assigned_agent": f"canary-agent-{n}",
        "created_at": "2024-05-01T09:00:00+00:00",
        **changed,
    }


class LoggingServer:
    """A server that logs all, and databases on it."""

    def __init__(self, admin: URL, log: Path) -> None:
        self._databases = Databases(admin)
        self._log = log
        self._seen = 0

    def database(self, name: str, build: Callable[[URL], None]) -> URL:
        """A fresh copy of what ``build`` makes once; the log begins anew."""
        url = self._databases.create(self._databases.template(name, build))
        self._seen = self._log.stat().st_size
        return url

    def log_of_ours(self) -> str:
        """What the log holds of our own sessions, since the last database was made."""
        with self._log.open(encoding="utf-8", errors="replace") as log:
            log.seek(self._seen)
            return "".join(of_ours(log))


@contextmanager
def logging_server() -> Iterator[LoggingServer]:
    """Run one; its log is in its home."""
    place = place_for("logging")
    with running(place, durable=False, keep=False, database="crm", settings=LOG_ALL) as url:
        yield LoggingServer(url, place / "log")
