"""List people who must not come back in ``data/erased.txt`` (``importer/erased.py`` reads it)."""

import os
from collections.abc import Iterable
from datetime import date
from pathlib import Path

from migrations.importer.erased import ERASED, Erased, read_erased
from migrations.recipients import partial, written_beside
from migrations.twin.mask import read_or_make_mask_key

__all__ = ["list_erased"]


def list_erased(folder: Path, phones: Iterable[str], today: date) -> int:
    """List phones, in any spelling, so that no import brings them in; returns how many were new.

    The mask key is made if there is none. The file is whole on the disk before this returns.
    Raises ``CannotSeal`` and ``CannotUnseal``; then nothing was written.
    """
    erased = read_erased(folder) or Erased(read_or_make_mask_key(folder))
    added = sum(erased.add(phone, today) for phone in phones)
    if added:
        with written_beside(folder / ERASED) as file:
            file.write("".join(f"{line}\n" for line in erased.lines).encode())
        os.replace(partial(folder / ERASED), folder / ERASED)
    return added
