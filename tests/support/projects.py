"""Copies of the project, for tests adding exports to it or changing them."""

import os
import subprocess
import sys
from pathlib import Path

from sqlalchemy import URL

from tests.support.database import shown
from tests.support.released import copy_project

__all__ = ["copy_project", "migrations"]


def migrations(
    project: Path, *arguments: str, url: URL | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m migrations`` in a copy of the project, or in the project itself."""
    command = [sys.executable, "-m", "migrations", *arguments]
    environ = {"DATABASE_URL": shown(url)} if url is not None else {}
    return subprocess.run(
        command,
        check=False,
        cwd=project,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environ},
    )
