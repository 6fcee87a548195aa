"""``add``: turn a file of leads into an export in ``data/``, and write a revision to import it."""

import re
from argparse import ArgumentParser, Namespace
from contextlib import nullcontext
from pathlib import Path

from alembic.script import ScriptDirectory
from msgspec.structs import replace

from migrations.bundling import Bundled, bundle
from migrations.commands import replacement, sources
from migrations.commands.project import ROOT, alembic_config, next_declaration, revisions
from migrations.commands.sources import Readable
from migrations.console import counted
from migrations.conversion.choice import keep
from migrations.deploy.revisions import next_revision
from migrations.history import imports_of
from migrations.importer.errors import ImportStopped
from migrations.importer.pinned import DATA, Import
from migrations.importer.sealing import SUFFIX

__all__ = ["CannotAdd", "add_arguments", "run"]


class CannotAdd(ImportStopped):
    """The export is fine, but cannot become the next revision. Nothing was written."""


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``add`` to its parser."""
    sources.add_arguments(parser)
    purpose = parser.add_mutually_exclusive_group(required=True)
    purpose.add_argument("-m", "--message", help='what it is, such as "import october leads"')
    purpose.add_argument(
        "--replace",
        action="store_true",
        help="replace the bundled export, if no database has imported it yet",
    )
    parser.add_argument("--clear", action="store_true", help="leave it unsealed")
    parser.add_argument("--no-twin", action="store_true", help="write no twin with invented people")
    parser.add_argument(
        "--yes", action="store_true", help="write it without asking for confirmation"
    )


def run(arguments: Namespace) -> int:
    """Add an export, say what to do next, and return the exit status."""
    script = revisions()
    revision = None if arguments.replace else _next_revision(script, arguments.message)
    place = replacement.place(script) if arguments.replace else None
    with sources.readable(arguments, DATA) as found:
        name = place.export if place else _export_name(found.source)
        declaration, leads = next_declaration()
        import_ = Import(revision or "", name, found.sha256, found.records, leads)
        _refuse_known(import_)
        sources.print_readable(found)
        sources.confirm(found, yes=arguments.yes)
        with replacement.room_for(found.export, DATA / name) if place else nullcontext():
            bundled = bundle(
                found.export, DATA, import_, clear=arguments.clear, twin=not arguments.no_twin
            )
        if bundled.twin:
            import_ = replace(import_, masked=bundled.twin.sha256)
        if place:
            written = replacement.pin(place, import_, declaration)
        else:
            written = _generated(script, arguments.message, import_, declaration)
        _print_written(found, bundled, import_, written)
    return 0


def _print_written(found: Readable, bundled: Bundled, import_: Import, revision: Path) -> None:
    print(f"{import_.export}: {counted(found.records, 'record')}, no problems.")
    print(bundled.in_words())
    print(f"Wrote {revision.relative_to(ROOT)} to import it.")
    if found.conversion and found.conversion.is_worth_keeping:
        kept = keep(DATA / import_.export, found.conversion.kept)
        print(f"Wrote {kept.relative_to(ROOT)}, so the next file like this needs no options.")
    if found.source.resolve() != bundled.path.resolve():
        print(
            f"{found.source} was left as it is. It holds personal data: keep it safe or delete it."
        )
    test = "  make test                          the whole chain on a throwaway database\n"
    print(
        "\nNext:\n"
        "  python -m migrations preview       see what it would do\n"
        f"{test if (ROOT / 'tests' / 'importing').exists() else ''}"
        f"  {bundled.git_add()}            commit, push: the next deploy imports it, once\n"
        "Are its people real? Set LEADS_PEOPLE=real where they belong, such as production in "
        "render.yaml."
    )


def _export_name(source: Path) -> str:
    """Turn the file's name into a name a revision can hold, ending in .json."""
    name = source.name.removesuffix(SUFFIX).removesuffix(".gz")
    stem = name.rpartition(".")[0] or name
    safe = re.sub(r"[^A-Za-z0-9_-]+", "_", stem).strip("_-")
    return f"{safe or 'export'}.json"


def _generated(script: ScriptDirectory, message: str, import_: Import, declaration: str) -> Path:
    written = script.generate_revision(
        import_.revision, _title(message), head="head", import_=import_, declaration=declaration
    )
    assert written is not None
    return Path(written.path)


def _title(message: str) -> str:
    title = " ".join(message.split()).rstrip(".")
    return title[:1].upper() + title[1:]


def _next_revision(script: ScriptDirectory, message: str) -> str:
    if not re.search(r"[a-z0-9]", message.lower()) or '"' in message or "\\" in message:
        raise CannotAdd(
            'The message becomes a file name. Say what the export is, such as -m "import october '
            'leads".'
        )
    heads = script.get_heads()
    if len(heads) > 1:
        raise CannotAdd(
            f"The code has several last revisions: {' and '.join(heads)}. Nothing was written. Run "
            "'alembic merge heads -m \"join both\"', then try again."
        )
    return next_revision(script, message)


def _refuse_known(import_: Import) -> None:
    for known in imports_of(alembic_config()):
        if known.sha256 == import_.sha256:
            raise CannotAdd(
                f"Revision {known.revision} imports these records already, from {known.export}. "
                "Nothing to add: run 'alembic upgrade head'."
            )
