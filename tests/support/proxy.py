"""A network between a deploy and its server, with trouble on it.

    with proxy(url, SwallowReply(nth=3)) as url:
        …

The client connects by TCP on the loopback, and the proxy connects as the server's URL says. The
trouble comes once, and later connections have a network in order.
"""

import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import URL

__all__ = [
    "CutAfter",
    "CutBeforeCommit",
    "Delay",
    "SlowCommits",
    "SwallowReply",
    "Trouble",
    "proxy",
    "reach",
]

COMMIT = b"COMMIT\0"


class Trouble(Protocol):
    """See all data before it passes. Raises ``Cut`` to end the connection instead."""

    def sent(self, data: bytes) -> None:
        """See ``data`` from the client."""

    def answered(self, data: bytes) -> None:
        """See ``data`` from the server."""


class Cut(Exception):
    """Raised to cut the line: both sides see their connection end."""


@dataclass
class CutAfter:
    """Cut the line after so many bytes, counted in both directions together."""

    size: int

    def sent(self, data: bytes) -> None:
        self.size -= len(data)
        if self.size < 0:
            raise Cut

    answered = sent


@dataclass
class CutBeforeCommit:
    """Cut the line before the nth COMMIT reaches the server."""

    nth: int

    def sent(self, data: bytes) -> None:
        self.nth -= data.count(COMMIT)
        if self.nth <= 0:
            raise Cut

    def answered(self, data: bytes) -> None:
        pass


@dataclass
class SwallowReply:
    """Let the nth COMMIT reach the server, but never its reply the client."""

    nth: int

    def sent(self, data: bytes) -> None:
        self.nth -= data.count(COMMIT)

    def answered(self, data: bytes) -> None:
        if self.nth <= 0:
            raise Cut


@dataclass
class Delay:
    """Delay everything, in both directions."""

    seconds: float

    def sent(self, _: bytes) -> None:
        time.sleep(self.seconds)

    answered = sent


@dataclass
class SlowCommits:
    """Delay each COMMIT, as a slow disk or standby does."""

    seconds: float

    def sent(self, data: bytes) -> None:
        if COMMIT in data:
            time.sleep(self.seconds)

    def answered(self, data: bytes) -> None:
        pass


@contextmanager
def proxy(url: URL, trouble: Trouble) -> Iterator[URL]:
    """Give a URL to reach the database of ``url`` through the trouble."""
    with socket.create_server(("127.0.0.1", 0)) as door, _Threads() as threads:
        threads.start(_Network(url, trouble, threads).let_in, door)
        query = {name: value for name, value in url.query.items() if name not in ("host", "port")}
        port = door.getsockname()[1]
        yield url.set(host="127.0.0.1", port=port, query=query | {"sslmode": "disable"})


class _Threads:
    """Run threads, and end them with the block."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self._started: list[threading.Thread] = []

    def start(self, target: Callable[..., None], *arguments: Any) -> None:
        self._started.append(threading.Thread(target=target, args=arguments, daemon=True))
        self._started[-1].start()

    def __enter__(self) -> "_Threads":
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for thread in self._started:
            thread.join()


class _Network:
    """Carry data between the clients and the server of ``url``."""

    def __init__(self, url: URL, trouble: Trouble, threads: _Threads) -> None:
        self._url = url
        self._trouble: Trouble | None = trouble
        self._threads = threads

    def let_in(self, door: socket.socket) -> None:
        """Accept clients, and carry data for each."""
        while not self._threads.over.is_set():
            if _readable(door):
                self._threads.start(self._carry, door.accept()[0])

    def _carry(self, client: socket.socket) -> None:
        with client, reach(self._url) as server, suppress(ConnectionError, Cut):
            while not self._threads.over.is_set():
                for source in _readable(client, server):
                    data = source.recv(65536)
                    if not data:
                        return
                    self._ask(data, sent=source is client)
                    (server if source is client else client).sendall(data)

    def _ask(self, data: bytes, *, sent: bool) -> None:
        if self._trouble:
            try:
                (self._trouble.sent if sent else self._trouble.answered)(data)
            except Cut:
                self._trouble = None
                raise


def _readable(*sockets: socket.socket) -> list[socket.socket]:
    return select.select(sockets, [], [], 0.05)[0]


def reach(url: URL) -> socket.socket:
    """Connect to the server of a URL, by TCP or by its Unix socket."""
    host, port = url.query.get("host", url.host), url.query.get("port", url.port) or 5432
    if not str(host).startswith("/"):
        return socket.create_connection((str(host), int(str(port))))
    with ExitStack() as opened:
        server = opened.enter_context(socket.socket(socket.AF_UNIX))
        server.connect(f"{host}/.s.PGSQL.{port}")
        opened.pop_all()
    return server
