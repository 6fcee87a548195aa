"""A local Postgres server: its files, and what they say about it."""

import os
import re
import socket
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from migrations.deploy.local_postgres.places import ROOTS_PLACE, account, digest, is_root

__all__ = ["PORT", "Server"]

PORT = "5432"
"""Of the socket. Nothing listens on a network."""


@dataclass(frozen=True)
class Server:
    """A server: its home (data, locks, log), its binaries, and how to run it.

    keep: whether the data stays after the last user. settings: of the server, by name.
    """

    home: str
    binaries: str
    keep: bool
    settings: dict[str, str]

    @property
    def data(self) -> Path:
        return Path(self.home, "data")

    @property
    def log(self) -> Path:
        return Path(self.home, "log")

    @property
    def users(self) -> Path:
        """The file on which each user of the server has a shared lock."""
        return Path(self.home, "users")

    @property
    def lock(self) -> Path:
        """The file on which a living server has a lock."""
        return Path(self.home, "server.lock")

    @property
    def pid_file(self) -> Path:
        return self.data / "postmaster.pid"

    @property
    def socket(self) -> Path:
        """The socket's directory. Its path must be short, however long the home's is."""
        place = ROOTS_PLACE if is_root() else Path("/tmp")
        return place / f"pg-{os.geteuid()}-{digest(Path(self.home))}"

    def is_ready(self) -> bool:
        """Whether it answers queries."""
        with suppress(FileNotFoundError):
            return self.status()[7:] == ["ready"] and self.is_listening()
        return False

    def is_listening(self) -> bool:
        """Whether one of its processes is there."""
        with socket.socket(socket.AF_UNIX) as client, suppress(OSError):
            client.settimeout(1)
            client.connect(str(self.socket / f".s.PGSQL.{PORT}"))
            return True
        return False

    def status(self) -> list[str]:
        """Read the lines of postmaster.pid: its number first, its state eighth."""
        lines = self.pid_file.read_text(errors="replace").splitlines()
        return [line.strip() for line in lines]

    def version(self) -> int:
        """Read the major version of the binaries, as in "18.6" or "19rc1"."""
        told = subprocess.check_output([Path(self.binaries, "postgres"), "--version"], text=True)
        return int(re.findall(r"\d+", told)[0])

    def run(self, command: list[str], log: IO[str], *fds: int) -> subprocess.Popen[bytes]:
        """Run one of the binaries with an empty environment, as `nobody` if we are root.

        fds: what it inherits.
        """
        program, *arguments = command
        user, group = account() if is_root() else (None, None)
        return subprocess.Popen(
            [Path(self.binaries, program), *arguments],
            env={"LC_ALL": "C", "PATH": os.defpath},
            cwd="/",
            user=user,
            group=group,
            extra_groups=[] if is_root() else None,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=fds,
        )
