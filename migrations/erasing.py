"""List people in ``data/erased.txt``, so that no import brings them back.

``importer/erased.py`` reads it.
"""

from collections.abc import Iterable
from datetime import date
from pathlib import Path

from migrations.files import written_whole
from migrations.importer.erased import ERASED, Erased, read_erased
from migrations.twin.mask import read_or_make_mask_key

__all__ = ["list_erased"]


def list_erased(folder: Path, phones: Iterable[str], today: date) -> int:
    """List phones, in any spelling, and return how many were new.

    Makes the mask key if there is none. The whole file is on disk before this returns.
    Raises ``ImportStopped``. Nothing was written then.
    """
    erased = read_erased(folder) or Erased(read_or_make_mask_key(folder))
    added = sum(erased.add(phone, today) for phone in phones)
    if added:
        with written_whole(folder / ERASED) as file:
            file.write("".join(f"{line}\n" for line in erased.lines).encode())
    return added
