"""The next export: checked, copied to ``data/``, and imported by a revision written for it."""

import re
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass, replace
from pathlib import Path

from alembic.script import ScriptDirectory

from migrations.bundling import Bundled, bundle
from migrations.commands.project import ROOT, alembic_config, revisions
from migrations.crm import LEADS
from migrations.deploy.revisions import next_revision
from migrations.history import imports_of
from migrations.importer.errors import ImportStopped
from migrations.importer.export.reading import open_export
from migrations.importer.v1 import DATA, Import

__all__ = ["Added", "CannotAdd", "add_arguments", "add_export", "run"]


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


def add_arguments(parser: ArgumentParser) -> None:
    """Add what ``add`` understands to its parser."""
    parser.add_argument("export", type=Path, metavar="EXPORT", help="the JSON file")
    parser.add_argument(
        "-m", "--message", required=True, help='what it is, such as "import october leads"'
    )
    parser.add_argument("--clear", action="store_true", help="do not seal it, though others are")
    parser.add_argument("--no-twin", action="store_true", help="write no twin with invented people")


def run(arguments: Namespace) -> int:
    """Add an export and say what to do next; returns the exit status."""
    added = add_export(
        arguments.export, arguments.message, clear=arguments.clear, twin=not arguments.no_twin
    )
    print(
        f"{added.export}: {added.records} records, no problems.\n"
        f"{added.bundled.in_words()}\n"
        f"Wrote {added.path}, which imports it.\n\n"
        "Next:\n"
        "  alembic -x dry-run upgrade head    look what it would do\n"
        "  make test                          the whole chain on a throwaway database\n"
        f"  {added.bundled.git_add()}            commit, push: the next deploy imports it, once"
    )
    return 0


def add_export(
    path: Path, message: str, root: Path = ROOT, *, clear: bool = False, twin: bool = True
) -> Added:
    """Check an export, put it into ``data/`` if it is not there, and write the next revision.

    message: what it is, such as "import october leads"; it becomes the revision's title and name.
    root: the project; clear, twin: as ``bundle`` takes them. Raises ``ExportRefused`` or
    ``CannotAdd``.
    """
    script = revisions(root)
    revision = _numbered(script, message)
    with open_export(path, fields=LEADS.fields) as export:
        export.check()
        import_ = Import(revision, export.name, export.sha256, export.count, LEADS)
    _refuse_known(root, import_)
    folder = root / DATA.relative_to(ROOT)
    bundled = bundle(path, folder, import_, clear=clear, twin=twin)
    if bundled.twin:
        import_ = replace(import_, masked=bundled.twin.sha256)
    written = script.generate_revision(revision, _title(message), head="head", import_=import_)
    assert written is not None
    return Added(import_.export, import_.records, Path(written.path).relative_to(root), bundled)


def _title(message: str) -> str:
    title = " ".join(message.split()).rstrip(".")
    return title[:1].upper() + title[1:]


def _numbered(script: ScriptDirectory, message: str) -> str:
    if not re.search(r"[a-z0-9]", message.lower()) or '"' in message or "\\" in message:
        raise CannotAdd(
            'The message becomes a file name. Say what the export is, such as -m "import october '
            'leads".'
        )
    return next_revision(script, message)


def _refuse_known(root: Path, import_: Import) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*\.json", import_.export):
        raise CannotAdd(
            f"{import_.export!r}: name the file with letters, digits, '_', '.' and '-', ending "
            f"in .json."
        )
    for known in imports_of(alembic_config(root)):
        if known.sha256 == import_.sha256:
            raise CannotAdd(
                f"{import_.export} is imported by revision {known.revision} already. "
                "Nothing to add: 'alembic upgrade head' brings it in."
            )
