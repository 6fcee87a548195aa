"""The bytes of a file as text: gzip, byte order marks, UTF-16, strict UTF-8; else it is asked."""

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
"""Bytes that are looked at to tell what a file is."""

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def is_gzipped(path: Path) -> bool:
    """Whether a file is packed."""
    with open(path, "rb") as file:
        return file.read(len(GZIP)) == GZIP


class _Raw(io.RawIOBase):
    """What a sealed file holds, as a file that is only read."""

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
    """Open a file, and unseal or unpack it. Raises ``Unreadable`` if it is cut off."""
    if path.name.endswith(SUFFIX):
        with open_content(path) as content:
            yield cast(BinaryIO, io.BufferedReader(_Raw(content)))
        return
    with gzip.open(path) if is_gzipped(path) else open(path, "rb") as file:
        try:
            yield cast(BinaryIO, file)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise Unreadable(
                path.name, "is damaged or cut off gzip", "Download it again and try again."
            ) from None


def start_of(path: Path) -> bytes:
    """Return the first bytes, unpacked."""
    with opened(path) as file:
        return file.read(START)


def known_encoding(name: str) -> str:
    """Return Python's name of an encoding. Raises ``Undecided`` if there is none."""
    try:
        return codecs.lookup(name).name
    except LookupError:
        question = f"{name!r} is no encoding that Python knows."
        raise Undecided("encoding", question, "cp1252") from None


def encoding_of(start: bytes, asked: str | None) -> str:
    """Tell the encoding from a file's start. asked: what its owner said; a mark knows better."""
    for mark, encoding in _MARKS.items():
        if start.startswith(mark):
            return encoding
    if asked:
        return known_encoding(asked)
    # Most characters of any table are ASCII, so UTF-16 has a zero in every other byte.
    if start[1::2].count(0) > len(start) // 4:
        return "utf-16-le"
    return "utf-16-be" if start[::2].count(0) > len(start) // 4 else "utf-8"


@contextmanager
def open_text(path: Path, encoding: str) -> Iterator[io.TextIOWrapper]:
    """Open a file as text, line ends as they are. Raises ``Undecided`` if it is not so encoded."""
    with opened(path) as file:
        try:
            yield io.TextIOWrapper(file, encoding, newline="")
        except UnicodeDecodeError:
            name = encoding.removesuffix("-sig").upper()
            question = (
                f"{path.name} is not {name}, and its encoding cannot be told. "
                "Excel in Western Europe writes cp1252."
            )
            raise Undecided("encoding", question, "cp1252") from None
