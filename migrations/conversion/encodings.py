"""Read a file's bytes as text.

Knows gzip, byte order marks, UTF-16 and strict UTF-8. Any other encoding is asked for.
"""

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from migrations.conversion.errors import Undecided, Unreadable
from migrations.importer.export.reading import open_content
from migrations.importer.sealing import SUFFIX, Content

__all__ = ["encoding_of", "is_gzipped", "known_encoding", "open_text", "opened", "start_of"]

GZIP = b"\x1f\x8b"
START = 1 << 16
"""Bytes to look at to tell what a file is."""

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def is_gzipped(path: Path) -> bool:
    """Whether a file is gzipped."""
    with open(path, "rb") as file:
        return file.read(len(GZIP)) == GZIP


class _Raw(io.RawIOBase):
    """The content of a sealed file, as a file to read."""

    def __init__(self, content: Content) -> None:
        self._content = content

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._content.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file, and unseal or unpack it. Raises ``Unreadable`` if gzip is damaged or cut off."""
    if path.name.endswith(SUFFIX):
        with open_content(path) as content:
            yield cast(BinaryIO, io.BufferedReader(_Raw(content)))
        return
    with gzip.open(path) if is_gzipped(path) else open(path, "rb") as file:
        try:
            yield cast(BinaryIO, file)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise Unreadable(
                path.name, "is a damaged gzip file or cut off", "Download it and try again."
            ) from None


def start_of(path: Path) -> bytes:
    """Return the first bytes, unpacked."""
    with opened(path) as file:
        return file.read(START)


def known_encoding(name: str) -> str:
    """Return Python's name of an encoding. Raises ``Undecided`` if Python does not know it."""
    try:
        # Some codecs are not of texts, and idna knows no "ignore", which a first look needs.
        b"a".decode(name, "ignore")
        return codecs.lookup(name).name
    except (LookupError, UnicodeError):
        question = f"Python knows no encoding {name!r}."
        raise Undecided("encoding", question, "cp1252") from None


def encoding_of(start: bytes, asked: str | None) -> str:
    """Tell the encoding from a file's start.

    asked: what its owner said. A byte order mark overrules it.
    """
    for mark, encoding in _MARKS.items():
        if start.startswith(mark):
            return encoding
    if asked:
        return known_encoding(asked)
    # Most characters of a table are ASCII, so in UTF-16 every other byte is zero.
    if start[1::2].count(0) > len(start) // 4:
        return "utf-16-le"
    return "utf-16-be" if start[::2].count(0) > len(start) // 4 else "utf-8"


@contextmanager
def open_text(path: Path, encoding: str) -> Iterator[io.TextIOWrapper]:
    """Open a file as text, and keep its line ends.

    Raises ``Undecided`` if the file has another encoding.
    """
    with opened(path) as file:
        try:
            yield io.TextIOWrapper(file, encoding, newline="")
        except UnicodeError:
            name = encoding.removesuffix("-sig").upper()
            question = (
                f"{path.name} is not {name}. Which encoding is it? "
                "Excel in Western Europe writes cp1252."
            )
            raise Undecided("encoding", question, "cp1252") from None
