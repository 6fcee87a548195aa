"""Copies of the project, for tests adding exports to it or changing them."""

import os
import subprocess
from pathlib import Path

from sqlalchemy import URL

from tests.support.database import shown
from tests.support.programs import run_program
from tests.support.released import copy_project

__all__ = ["copy_project", "migrations"]


def migrations(
    project: Path, *arguments: str, url: URL | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m migrations`` in a copy of the project, or in the project itself."""
    environ = {"DATABASE_URL": shown(url)} if url is not None else {}
    return run_program("migrations", arguments, cwd=project, environ={**os.environ, **environ})
