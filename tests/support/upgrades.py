"""Run Alembic in this process, or in a process of its own as a deploy does."""

import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import URL

from tests.support.bundled import BEFORE_IMPORT, IMPORT, ROOT
from tests.support.database import shown
from tests.support.programs import run_program


def alembic(
    url: URL | None, *arguments: str, root: Path = ROOT, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run ``alembic`` as a deploy does: in its own process, with its output as one text."""
    return run_program(
        "alembic",
        ["-c", str(root / "alembic.ini"), *arguments],
        cwd=root,
        environ=_environ(url, environ),
        together=True,
    )


def start_alembic(
    url: URL, *arguments: str, root: Path = ROOT, **environ: str
) -> subprocess.Popen[str]:
    """Start ``alembic`` as a deploy does, and leave it running."""
    return subprocess.Popen(
        alembic_command(*arguments, root=root), **_as_deploy(url, root, environ)
    )


def alembic_command(*arguments: str, root: Path = ROOT) -> list[str]:
    return [sys.executable, "-m", "alembic", "-c", str(root / "alembic.ini"), *arguments]


def _as_deploy(url: URL | None, root: Path, environ: dict[str, str]) -> dict[str, Any]:
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return {"env": _environ(url, environ), "cwd": root, **streams}


def _environ(url: URL | None, environ: dict[str, str]) -> dict[str, str]:
    given = {
        name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "RENDER")
    }
    if url is not None:
        given["DATABASE_URL"] = shown(url)
    return given | environ


def upgrade(url: URL, revision: str = IMPORT, *x: str) -> None:
    """Run ``alembic -x … upgrade REVISION`` in this process."""
    with _database_url(url):
        command.upgrade(_config(x), revision)


def downgrade(url: URL, revision: str = BEFORE_IMPORT, *x: str) -> None:
    """Run ``alembic -x … downgrade REVISION`` in this process."""
    with _database_url(url):
        command.downgrade(_config(x), revision)


def _config(x: Iterable[str]) -> Config:
    config = Config(ROOT / "alembic.ini", cmd_opts=Namespace(x=list(x), quiet=True))
    config.attributes["configure_logger"] = False
    return config


@contextmanager
def _database_url(url: URL) -> Iterator[None]:
    before = os.environ.get("DATABASE_URL")
    os.environ["DATABASE_URL"] = shown(url)
    try:
        yield
    finally:
        if before is None:
            del os.environ["DATABASE_URL"]
        else:
            os.environ["DATABASE_URL"] = before
