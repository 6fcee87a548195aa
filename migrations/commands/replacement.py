"""Put the first real export in the bundled one's place, as long as nothing is released."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from alembic.script import ScriptDirectory

from migrations.commands.project import alembic_config, reading
from migrations.deploy.connection import LOCAL, VARIABLES
from migrations.files import write_whole
from migrations.history import imports_of
from migrations.importer.errors import ImportStopped
from migrations.importer.ledger import all_receipts, still_there
from migrations.importer.pinned import Import

__all__ = ["CannotReplace", "Place", "pin", "place", "room_for"]

_SHA256 = re.compile(r'    sha256="[0-9a-f]{64}",\n')
_RECORDS = re.compile(r"    records=[0-9_]+,\n")
_DECLARATION = re.compile(r"^(from migrations\.crm import |    leads=)\w+", re.MULTILINE)
_MASKED = re.compile(r'(?:    #[^\n]*\n)*    masked="[0-9a-f]{64}",\n')


class CannotReplace(ImportStopped):
    """The bundled export may have been imported somewhere. Nothing was written."""


@dataclass(frozen=True)
class Place:
    """export: the name of the file in ``data/``. revision: the file that imports it."""

    export: str
    revision: Path


def place(script: ScriptDirectory) -> Place:
    """Find the bundled export. Raises ``CannotReplace`` if it seems to be released.

    It seems so if another revision imports an export after it, or the database of ``DATABASE_URL``
    or a local one has imported it.
    """
    imports = imports_of(alembic_config())
    if len(imports) != 1:
        raise CannotReplace(
            f"{len(imports)} revisions import exports, so the first one is in use. "
            'Add this one after them: python -m migrations add FILE -m "what it is".'
        )
    bundled = imports[0]
    _refuse_imported(bundled)
    return Place(bundled.export, Path(script.get_revision(bundled.revision).path))


def _refuse_imported(bundled: Import) -> None:
    if not any(os.environ.get(name) for name in VARIABLES):
        print(
            f"DATABASE_URL is not set, so no database but a local one is asked about "
            f"{bundled.export}. Go on only if no other has imported it."
        )
        if not LOCAL.exists():
            return
    with reading("looking for the bundled export") as connection:
        there = still_there(all_receipts(connection))
        if any(receipt.revision == bundled.revision for receipt in there):
            raise CannotReplace(
                f"This database has imported {bundled.export}, so it cannot be replaced. Remove it "
                f"first: 'alembic -x remove-created downgrade {bundled.revision}-1'. Or add this "
                'one after it: python -m migrations add FILE -m "what it is".'
            )


@contextmanager
def room_for(source: Path, old: Path) -> Iterator[None]:
    """Move a file away while another one takes its place, and move it back if that fails.

    source: the new file. It may be the old one itself, put there by hand.
    """
    if not old.exists() or source.samefile(old):
        yield
        return
    aside = old.with_name(f".{old.name}.before.partial")
    os.replace(old, aside)
    try:
        yield
    except BaseException:
        os.replace(aside, old)
        raise
    aside.unlink()


def pin(at: Place, import_: Import, declaration: str) -> Path:
    """Pin another export in the revision, and return the revision's path.

    declaration: the name of the one the export is imported by.
    """
    before = at.revision.read_text(encoding="utf-8")
    twin = f'    masked="{import_.masked}",\n' if import_.masked else ""
    text, digests = _SHA256.subn(f'    sha256="{import_.sha256}",\n', _MASKED.sub("", before))
    text, counts = _RECORDS.subn(f"    records={import_.records},\n{twin}", text)
    text = _DECLARATION.sub(rf"\g<1>{declaration}", text)
    if (digests, counts) != (1, 1):
        raise CannotReplace(
            f"{at.revision.name} does not pin its export as expected. Write sha256 = "
            f"{import_.sha256} and records = {import_.records} into it by hand."
        )
    write_whole(at.revision, text)
    return at.revision
