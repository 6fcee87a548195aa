"""The project as it was released up to the bundled import.

Exports that were added since would change what nearly every test counts.
"""

import atexit
import shutil
import tempfile
from pathlib import Path

__all__ = ["IMPORT", "REPOSITORY", "copy_project", "released"]

REPOSITORY = Path(__file__).parents[2]
IMPORT = "0004_import_production_leads"


def released() -> Path:
    """Give the repository if its last revision is the bundled import, else a copy that ends there.

    The copy is removed when this process ends.
    """
    if not _further_revisions(REPOSITORY):
        return REPOSITORY
    folder = tempfile.mkdtemp(prefix="released-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return copy_project(Path(folder))


def copy_project(folder: Path) -> Path:
    """Copy what the repository has released up to the bundled import; the copy's place."""
    copy = folder / "a project"
    for name in ("migrations", "data"):
        shutil.copytree(REPOSITORY / name, copy / name)
    for name in ("alembic.ini", "models.py"):
        shutil.copy(REPOSITORY / name, copy)
    for revision in _further_revisions(copy):
        revision.unlink()
    return copy


def _further_revisions(project: Path) -> list[Path]:
    revisions = (project / "migrations" / "versions").glob("*.py")
    return [revision for revision in revisions if revision.stem > IMPORT]
