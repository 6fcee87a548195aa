"""The next export: checked, copied to ``data/``, and imported by a revision written for it."""

import re
from argparse import Namespace
from dataclasses import dataclass, replace
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory

from migrations.bundling import Bundled, bundle
from migrations.history import imports_of
from migrations.importer.errors import ImportStopped
from migrations.importer.export.reading import open_export
from migrations.importer.v1 import DATA, Import

__all__ = ["Added", "CannotAdd", "add_export"]

ROOT = Path(__file__).parents[2]

LONGEST_REVISION = 32
"""Characters: the width of ``alembic_version.version_num``."""


class CannotAdd(ImportStopped):
    """The export is fine, but cannot become the next revision; nothing was written."""


@dataclass(frozen=True)
class Added:
    """export: the file's name; records: how many; path: the new revision, from the project's
    root; bundled: what lies in data/ now."""

    export: str
    records: int
    path: Path
    bundled: Bundled


def add_export(
    path: Path, message: str, root: Path = ROOT, *, clear: bool = False, twin: bool = True
) -> Added:
    """Check an export, put it into ``data/`` if it is not there, and write the next revision.

    message: what it is, such as "import october leads"; it becomes the revision's title and name.
    root: the project; clear, twin: as ``bundle`` takes them. Raises ``ExportRefused`` or
    ``CannotAdd``.
    """
    script = ScriptDirectory.from_config(
        Config(root / "alembic.ini", cmd_opts=Namespace(quiet=True))
    )
    revision = _next_revision(script, message)
    with open_export(path) as export:
        export.check()
        import_ = Import(revision, export.name, export.sha256, export.count)
    _refuse_known(script, import_)
    folder = root / DATA.relative_to(ROOT)
    bundled = bundle(path, folder, import_.export, import_.sha256, clear=clear, twin=twin)
    if bundled.twin:
        import_ = replace(import_, masked=bundled.twin.sha256)
    written = script.generate_revision(revision, _title(message), head="head", import_=import_)
    assert written is not None
    return Added(import_.export, import_.records, Path(written.path).relative_to(root), bundled)


def _title(message: str) -> str:
    title = " ".join(message.split()).rstrip(".")
    return title[:1].upper() + title[1:]


def _next_revision(script: ScriptDirectory, message: str) -> str:
    slug = "_".join(re.findall(r"[a-z0-9]+", message.lower()))
    if not slug or '"' in message or "\\" in message:
        raise CannotAdd(
            'The message becomes a file name. Say what the export is, such as -m "import october '
            'leads".'
        )
    numbers = [
        int(match[0])
        for step in script.walk_revisions()
        if (match := re.match(r"\d+", step.revision))
    ]
    return f"{max(numbers, default=0) + 1:04d}_{slug}"[:LONGEST_REVISION].rstrip("_")


def _refuse_known(script: ScriptDirectory, import_: Import) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*\.json", import_.export):
        raise CannotAdd(
            f"{import_.export!r}: name the file with letters, digits, '_', '.' and '-', ending "
            f"in .json."
        )
    for known in imports_of(script, [step.revision for step in script.walk_revisions()]):
        if known.sha256 == import_.sha256:
            raise CannotAdd(
                f"{import_.export} is imported by revision {known.revision} already. "
                "Nothing to add: 'alembic upgrade head' brings it in."
            )
