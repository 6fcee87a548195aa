"""The project as it was released up to the bundled import.

Exports that were added since, or took its place, would change what nearly every test counts.
"""

import atexit
import hashlib
import os
import re
import runpy
import shutil
import tempfile
from pathlib import Path

__all__ = ["IMPORT", "REPOSITORY", "copy_project", "released"]

COPY = "RELEASED_COPY"
"""Where the environment names the copy."""
REPOSITORY = Path(__file__).parents[2]
IMPORT = "0004_import_production_leads"
EXPORT = "production_leads_export.json"
DATA = {"README.md", "make_export.py", EXPORT}
SHA256 = "8f8e3dd8fe99fcfdeec429c2231b9afb22d31d10f1d7e100e805cd320b269778"
PINS = f"""\
    sha256="{SHA256}",
    records=217,
    leads=LEADS,
    masked="{SHA256}",
)
"""


def released() -> Path:
    """Give the repository if it ends with the bundled import, else a copy that does.

    The processes of a run share the copy. It is removed when the first of them ends.
    """
    if not _further(REPOSITORY) and _has_bundled(REPOSITORY):
        return REPOSITORY
    if COPY not in os.environ:
        folder = tempfile.mkdtemp(prefix="released-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ[COPY] = str(copy_project(Path(folder)))
    return Path(os.environ[COPY])


def copy_project(folder: Path) -> Path:
    """Copy what the repository has released up to the bundled import; the copy's place."""
    copy = folder / "a project"
    for name in ("migrations", "data"):
        shutil.copytree(REPOSITORY / name, copy / name)
    for name in ("alembic.ini", "models.py"):
        shutil.copy(REPOSITORY / name, copy)
    for further in _further(copy):
        further.unlink()
    if not _has_bundled(copy):
        _put_bundled(copy)
    return copy


def _further(project: Path) -> list[Path]:
    """Find the revisions and exports that were added, and what `add` keeps beside them."""
    revisions = (project / "migrations" / "versions").glob("*.py")
    data = (path for path in (project / "data").iterdir() if path.is_file())
    return [
        *(revision for revision in revisions if revision.stem > IMPORT),
        *(path for path in data if path.name not in DATA),
    ]


def _has_bundled(project: Path) -> bool:
    export = project / "data" / EXPORT
    return export.exists() and hashlib.sha256(export.read_bytes()).hexdigest() == SHA256


def _put_bundled(project: Path) -> None:
    """Make the bundled export again, and pin it in its revision."""
    make_export = runpy.run_path(str(project / "data" / "make_export.py"))
    with (project / "data" / EXPORT).open("wb") as out:
        make_export["write_export"](out, 217, 1)
    revision = project / "migrations" / "versions" / f"{IMPORT}.py"
    text = revision.read_text(encoding="utf-8")
    pinned = re.sub(r"    sha256=.*?\n\)\n", PINS, text, flags=re.DOTALL)
    revision.write_text(pinned, encoding="utf-8")
