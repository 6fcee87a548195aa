"""``reseal``: seal every sealed file of ``data/`` anew, for today's recipients.

It writes all files beside the old ones first, and compares them with the revisions. Only then do
the new files take the old ones' places. Nothing is in clear on the disk meanwhile.
"""

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path

from migrations.commands.project import alembic_config
from migrations.files import partial_path, written_beside
from migrations.history import imports_of
from migrations.importer.errors import CannotUnseal
from migrations.importer.export.reading import open_content
from migrations.importer.pinned import DATA
from migrations.importer.sealing import SUFFIX
from migrations.recipients import CannotSeal, Recipient, read_recipients, seal

__all__ = ["add_arguments", "reseal", "run"]

WHAT_STAYS = (
    "Old ciphertexts stay in git's history and open with the old key. If that key leaked, these "
    "people are disclosed: reseal does not undo that."
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add nothing: data/ says what is sealed, and for whom."""


def run(arguments: Namespace) -> int:
    """Seal each ``data/*.age`` anew."""
    imports = imports_of(alembic_config())
    resealed = reseal(DATA, {import_.export: import_.sha256 for import_ in imports})
    print(f"Sealed anew: {', '.join(path.name for path in resealed)}.\n{WHAT_STAYS}")
    return 0


def reseal(folder: Path, pinned: Mapping[str, str]) -> list[Path]:
    """Seal each sealed file of a folder anew, for those in its recipients.txt.

    pinned: the sha256 of an export's content, by its name. Raises ``ImportStopped``. Every file is
    as it was then.
    """
    recipients = read_recipients(folder)
    paths = sorted(folder.glob(f"*{SUFFIX}"))
    if not paths:
        raise CannotSeal(f"{folder.name}/ holds no sealed file. Nothing was written.")
    try:
        for path in paths:
            _write_anew(path, recipients, pinned.get(path.name.removesuffix(SUFFIX)))
        for path in paths:
            os.replace(partial_path(path), path)
    finally:
        for path in paths:
            partial_path(path).unlink(missing_ok=True)
    return paths


def _write_anew(path: Path, recipients: Sequence[Recipient], sha256: str | None) -> None:
    with open_content(path) as content, written_beside(path) as sealed:
        found = seal(content, sealed, recipients)
        if sha256 not in (None, found):
            raise CannotUnseal(
                path.name,
                f"{path.name} is not the export its revision has pinned",
                "Take it from git again.",
            )
