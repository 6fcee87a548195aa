"""Copies of the project, for tests that add exports to it or change them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from sqlalchemy import URL

from tests.support.crm import IMPORT, ROOT, shown

__all__ = ["copy_project", "migrations"]


def copy_project(folder: Path) -> Path:
    """A copy of what the repository has released up to the bundled import."""
    copy = folder / "a project"
    for name in ("migrations", "data"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("alembic.ini", "models.py"):
        shutil.copy(ROOT / name, copy)
    for revision in (copy / "migrations" / "versions").glob("*.py"):
        if revision.stem > IMPORT:
            revision.unlink()
    return copy


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
