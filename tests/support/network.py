"""Two machines on one, in network namespaces: a server, clients, and a router able to fall silent.

    with two_machines() as machines, machines.server() as (by_socket, by_network):
        deploy = deploys.start(by_network, "upgrade", "head", faults=[machines.move])
        machines.silence()      # no FIN, no RST, and neither side loses its carrier

A Unix socket is not part of the network, so ``by_socket`` works all the time.
"""

import ctypes
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL
from sqlalchemy.exc import OperationalError

from tests.support.database import run, value
from tests.support.servers import own_server, place_for

__all__ = ["Machines", "two_machines", "why_no_network"]

CLONE_NEWNET = 0x40000000
ENVIRON = {"LC_ALL": "C", "PATH": os.defpath}
NETWORKS = {"client": "10.213.1", "server": "10.213.2"}
"""The first three numbers of each machine's addresses, with .1 for the router and .2 for itself."""


def why_no_network() -> str | None:
    """Return why this machine can make no network of its own, or None if it can."""
    if os.geteuid() != 0:
        return "only root can make network namespaces"
    if not shutil.which("ip") or not shutil.which("setpriv"):
        return "ip or setpriv is not installed (Debian: apt-get install iproute2 util-linux)"
    try:
        with two_machines():
            return None
    except subprocess.CalledProcessError as error:
        return f"this machine lets nobody make a network: {error.stderr.decode().strip()}"


@contextmanager
def two_machines() -> Iterator["Machines"]:
    """Make the machines and their network, and remove both at the end."""
    name = f"chaos-{os.getpid()}-{secrets.token_hex(2)}"
    machines = Machines(f"{name}-client", f"{name}-router", f"{name}-server")
    with ExitStack() as made:
        for namespace in (machines.client, machines.router, machines.server_side):
            _ip("netns", "add", namespace)
            made.callback(_ip, "netns", "delete", namespace)
            _ip("-n", namespace, "link", "set", "lo", "up")
        for side, namespace in (("client", machines.client), ("server", machines.server_side)):
            network = NETWORKS[side]
            peer = ("peer", "name", side, "netns", machines.router)
            _ip("link", "add", "eth0", "netns", namespace, "type", "veth", *peer)
            _ip("-n", namespace, "address", "add", f"{network}.2/24", "dev", "eth0")
            _ip("-n", machines.router, "address", "add", f"{network}.1/24", "dev", side)
            _ip("-n", namespace, "link", "set", "eth0", "up")
            _ip("-n", machines.router, "link", "set", side, "up")
            _ip("-n", namespace, "route", "add", "default", "via", f"{network}.1")
        machines.speak()
        yield machines


@dataclass(frozen=True)
class Machines:
    """The namespaces of a client, a router and a server."""

    client: str
    router: str
    server_side: str

    def move(self) -> None:
        """Move this process to the client's machine: a fault for a deploy."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open(f"/run/netns/{self.client}") as namespace:
            assert libc.setns(namespace.fileno(), CLONE_NEWNET) == 0, os.strerror(
                ctypes.get_errno()
            )

    def silence(self) -> None:
        """Let nothing pass from now on, and tell nobody."""
        self._forward(0)

    def speak(self) -> None:
        """Let everything pass again."""
        self._forward(1)

    def _forward(self, does: int) -> None:
        _ip(
            "netns", "exec", self.router, "sh", "-c", f"echo {does} > /proc/sys/net/ipv4/ip_forward"
        )

    @contextmanager
    def server(self) -> Iterator[tuple[URL, URL]]:
        """Run a Postgres on the server's machine, and give a database's URL by socket and by
        network."""
        place, address = place_for("network"), f"{NETWORKS['server']}.2"
        place.mkdir()
        shutil.chown(place, "nobody")
        start = ["ip", "netns", "exec", self.server_side, *_postgres(place, address)]
        with (place / "log").open("w") as log:
            process = subprocess.Popen(start, cwd="/", env=ENVIRON, stdout=log, stderr=log)
        try:
            admin = URL.create(
                "postgresql+psycopg2", "postgres", database="postgres", query={"host": str(place)}
            )
            _wait_for(admin)
            run(admin, "CREATE DATABASE crm")
            yield admin.set(database="crm"), admin.set(database="crm", host=address, query={})
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()
            shutil.rmtree(place)


def _postgres(place: Path, address: str) -> list[str]:
    """Make a data directory, and return the command to start its server."""
    with own_server() as (_, url):
        binaries = value(url, "SELECT setting FROM pg_config WHERE name = 'BINDIR'")
    nobody = pwd.getpwnam("nobody")
    as_nobody = [
        "setpriv",
        f"--reuid={nobody.pw_uid}",
        f"--regid={nobody.pw_gid}",
        "--clear-groups",
    ]
    data = str(place / "data")
    initdb = [
        f"{binaries}/initdb",
        "-D",
        data,
        "-U",
        "postgres",
        "--auth=trust",
        "--encoding=UTF8",
        "--no-sync",
    ]
    subprocess.run([*as_nobody, *initdb], check=True, capture_output=True, cwd="/", env=ENVIRON)
    with (place / "data" / "pg_hba.conf").open("a") as access:
        access.write("host all all all trust\n")
    options = [f"--listen_addresses={address}", f"--unix_socket_directories={place}", "--fsync=off"]
    return [*as_nobody, f"{binaries}/postgres", "-D", data, *options]


def _wait_for(url: URL) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with suppress(OperationalError):
            run(url, "SELECT 1")
            return
        time.sleep(0.05)
    raise AssertionError("the server does not answer")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
