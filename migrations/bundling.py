"""Put an export into the repository: sealed if there are recipients, its twin beside it.

Git ignores exports in clear. Add them by name.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from migrations.files import written_whole
from migrations.importer.errors import ImportStopped
from migrations.importer.export.reading import open_export
from migrations.importer.pinned import Import, twin_name
from migrations.importer.sealing import SUFFIX
from migrations.recipients import RECIPIENTS, read_recipients, seal_file
from migrations.twin.mask import read_mask
from migrations.twin.writing import Twin, write_twin

__all__ = ["AnotherFile", "Bundled", "bundle"]


class AnotherFile(ImportStopped):
    """Another file has the export's name. Nothing was written."""


@dataclass(frozen=True)
class Bundled:
    """What ``data/`` holds now. path: the export. twin: None if there is none."""

    path: Path
    twin: Twin | None

    @property
    def is_sealed(self) -> bool:
        return self.path.name.endswith(SUFFIX)

    def in_words(self) -> str:
        """Tell what was written, and what to look at."""
        lines = [f"The export is {'sealed: ' if self.is_sealed else ''}data/{self.path.name}."]
        if not self.is_sealed:
            lines.append(
                "It is in clear: who reads the repository reads its people. To seal it, name the "
                "recipients first: docs/personal-data.md."
            )
        if self.twin:
            lines += [
                f"Its twin, with invented people, is data/{self.twin.name}: look at it before you "
                "commit.",
                self.twin.statuses_in_words,
            ]
        clear = self.path.with_name(self.path.name.removesuffix(SUFFIX))
        if self.is_sealed and clear.exists():
            lines.append(f"data/{clear.name} is still here in clear: delete it.")
        return "\n".join(lines)

    def git_add(self) -> str:
        """Return the command to stage it all for the next commit."""
        if self.is_sealed:
            return "git add data migrations"
        return f"git add -f data/{self.path.name} && git add data migrations"


def bundle(
    source: Path, folder: Path, import_: Import, *, clear: bool = False, twin: bool = True
) -> Bundled:
    """Put a checked export and its twin into ``data/``.

    source: where it is now. folder: data/. import_: what will import it. clear: leave it unsealed
    even if there are recipients. twin: write one if there are recipients.
    Raises ``ImportStopped``. Nothing was written then.
    """
    recipients = read_recipients(folder) if (folder / RECIPIENTS).exists() else []
    is_sealed = source.name.endswith(SUFFIX) or bool(recipients and not clear)
    target = folder / (f"{import_.export}{SUFFIX}" if is_sealed else import_.export)
    is_there = _is_there(target, import_)
    written = None
    if recipients and twin:
        twin_path = folder / twin_name(import_.export)
        written = write_twin(source, twin_path, read_mask(folder), import_.leads)
    if not is_there and is_sealed and not source.name.endswith(SUFFIX):
        seal_file(source, target, recipients)
    elif not is_there:
        with open(source, "rb") as content, written_whole(target) as copy:
            shutil.copyfileobj(content, copy)
    return Bundled(target, written)


def _is_there(target: Path, import_: Import) -> bool:
    """Whether this very export is there already. Raises ``AnotherFile`` for another one."""
    if not target.exists():
        return False
    with open_export(target, fields=import_.leads.fields) as there:
        there.check()
    if there.sha256 != import_.sha256:
        raise AnotherFile(
            f"data/{target.name} is another file. An imported export is never edited: give "
            "this one another name. If no database has imported that one, remove it, its twin and "
            "its revision, then try again."
        )
    return True
