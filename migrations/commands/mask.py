"""``mask``: write the twin of an export without one."""

import re
from argparse import ArgumentParser, Namespace
from pathlib import Path

from migrations.commands.project import alembic_config, revisions
from migrations.files import write_whole
from migrations.history import read_code
from migrations.importer.export.reading import find_export
from migrations.importer.pinned import DATA, twin_name
from migrations.twin.mask import read_mask
from migrations.twin.writing import CannotMask, Twin, write_twin

__all__ = ["add_arguments", "run"]

_RECORDS = re.compile(r"^( *)records=\d+,\n", re.MULTILINE)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``mask`` to its parser."""
    parser.add_argument("revision", metavar="REVISION", help="the revision that imports the export")


def run(arguments: Namespace) -> int:
    """Write the twin of a revision's export, and pin it in the revision."""
    revision = revisions().get_revision(arguments.revision)
    import_ = read_code(alembic_config()).step(revision.revision).import_ if revision else None
    if import_ is None:
        raise CannotMask(f"{arguments.revision} imports no export. Nothing was written.")
    if import_.masked:
        raise CannotMask(f"{import_.export} has a twin already. Nothing was written.")
    twin = write_twin(
        find_export(DATA, import_.export),
        DATA / twin_name(import_.export),
        read_mask(DATA),
        import_.leads,
        set_aside=import_.sets_aside,
    )
    _pin(Path(revision.path), twin)
    print(
        f"data/{twin.name}: {twin.records:,} records with invented people, pinned in "
        f"{import_.revision}.\n"
        f"{twin.statuses_in_words}\n"
        "Look at it, then commit: git add data migrations"
    )
    return 0


def _pin(path: Path, twin: Twin) -> None:
    """Add the twin's digest to a revision. No database can have imported the twin before."""
    pinned, found = _RECORDS.subn(rf'\g<0>\g<1>masked="{twin.sha256}",\n', path.read_text("utf-8"))
    if found != 1:
        raise CannotMask(
            f"data/{twin.name} is written, but {path.name} is not laid out as expected. Add "
            f'masked="{twin.sha256}" to its Import(…).'
        )
    write_whole(path, pinned)
