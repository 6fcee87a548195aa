"""Write a file whole or not at all. A file of personal data is for the person who asks for it.

with private_file(Path("preview.html")) as write:   # refused here if it cannot be written
    write("<!doctype html>…")
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from migrations.importer.errors import ImportStopped

__all__ = [
    "CannotWriteFile",
    "partial_path",
    "private_file",
    "write_whole",
    "written_beside",
    "written_whole",
]


class CannotWriteFile(ImportStopped):
    """A file cannot be written at the place asked for."""


def partial_path(path: Path) -> Path:
    """Name a file while it is being written. Under ``data/`` git ignores this name."""
    return path.with_name(f".{path.name}.partial")


def write_whole(path: Path, text: str) -> None:
    """Write a text into a file, or replace it once the new text is complete."""
    partial_path(path).write_text(text, encoding="utf-8")
    partial_path(path).replace(path)


@contextmanager
def written_whole(target: Path) -> Iterator[BinaryIO]:
    """Write bytes into a file, or replace it once the block has ended and they are on disk.

    Raises what ``written_beside`` does.
    """
    with written_beside(target) as file:
        yield file
    os.replace(partial_path(target), target)


@contextmanager
def written_beside(target: Path) -> Iterator[BinaryIO]:
    """Write a file under its ``partial_path``. The whole file is on disk once the block has ended.

    Nothing stays if the block fails. Raises ``CannotWriteFile`` if the disk takes no more.
    """
    beside = partial_path(target)
    try:
        with open(beside, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.chmod(0o644)
    except BaseException as error:
        beside.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise CannotWriteFile(
                f"{target.name} cannot be written: {error.strerror}. Nothing was replaced. "
                "Fix this and try again."
            ) from None
        raise


@contextmanager
def private_file(path: Path) -> Iterator[Callable[[str], None]]:
    """Write a file only its owner can read. It replaces ``path`` once it is complete.

    Raises ``CannotWriteFile`` before the block if the file cannot be written. A block that is
    killed leaves nothing behind, because the file exists only while it is written.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise CannotWriteFile(f"{path} is a link, a directory or a device. Name a file instead.")
    with _partial(path):
        pass

    def write(text: str) -> None:
        with _partial(path) as partial:
            partial.write_text(text, encoding="utf-8")
            partial.replace(path)

    yield write


@contextmanager
def _partial(path: Path) -> Iterator[Path]:
    """Make an empty file beside ``path``. Remove it at the end unless it has replaced ``path``."""
    try:
        descriptor, name = tempfile.mkstemp(
            prefix=f".{path.name}.", suffix=".partial", dir=path.parent
        )
        os.close(descriptor)
        try:
            yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise CannotWriteFile(
            f"{path} cannot be written: {error.strerror}. Name another place and try again."
        ) from None
