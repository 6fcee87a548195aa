"""What is wrong in an export, all of it: a slow and careful second look at a file that did not pass.

The decoder that reads exports fast stops at the first thing it dislikes. This one walks every
record with the standard library's parser, which tells repeated keys and lets every kind of bad
value through, and then asks the schema about each field by itself.
"""

import codecs
import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any, BinaryIO, NamedTuple

import msgspec

from migrations.importer.errors import SHOWN_PROBLEMS, Problem
from migrations.importer.phone import is_phone
from migrations.importer.record import EARLIEST, LATEST, Record

__all__ = ["find_problems"]

BLOCK = 1 << 20
LONGEST_RECORD = 8 << 20
"""Characters: no whole record within as many means that it never ends."""

_FIELDS = {field.name: field.type for field in msgspec.structs.fields(Record)}
_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]{0,40}", re.ASCII)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_SPACE = " \t\r\n"


class _NotJson(NamedTuple):
    """NaN, Infinity and the like, which JSON does not have."""


class _Object(list[tuple[str, Any]]):
    """A JSON object as its pairs, so that a repeated key can be seen."""


class _Malformed(Exception):
    """The text is no JSON from here on."""


def find_problems(file: BinaryIO) -> tuple[list[Problem], int]:
    """List what is wrong with an export: the first problems, and how many there are in all.

    Never empty: a file that comes here did not pass.
    """
    shown: list[Problem] = []
    total = 0
    for problem in _problems(file):
        total += 1
        if len(shown) < SHOWN_PROBLEMS:
            shown.append(problem)
    if not shown:
        return [Problem(0, "", "is not an array of records as data/README.md describes them")], 1
    return shown, total


def _problems(file: BinaryIO) -> Iterator[Problem]:
    position = 0
    try:
        for position, value in enumerate(_elements(_Window(file)), start=1):
            yield from _of_record(position, value)
    except UnicodeDecodeError as error:
        yield Problem(position + 1, "", f"is not UTF-8 text ({error.reason})")
    except _Malformed as error:
        after = f"after record {position}" if position else "at its start"
        yield Problem(0, "", f"is not a JSON array of records: {error} {after}")
    except RecursionError:
        yield Problem(position + 1, "", "is nested too deeply")


def _of_record(position: int, value: object) -> Iterator[Problem]:
    if not isinstance(value, _Object):
        yield Problem(position, "", f"is no object, but {_kind(value)}")
        return
    seen = Counter(key for key, _ in value)
    for key, times in seen.items():
        if times > 1:
            yield Problem(position, _safe_name(key), f"stands {times} times in the object")
    for key in seen.keys() - _FIELDS.keys():
        yield Problem(position, _safe_name(key), "is not a field of an export")
    for key in _FIELDS.keys() - seen.keys():
        yield Problem(position, key, "is missing")
    for key, field in value:
        if key in _FIELDS and (reason := _of_value(key, field)):
            yield Problem(position, key, reason)


def _of_value(key: str, value: Any) -> str | None:
    if isinstance(value, str):
        if "\0" in value:
            return "holds a NUL character"
        if _LONE_SURROGATE.search(value):
            return "holds half of a surrogate pair"
    elif isinstance(value, _NotJson | _Object):
        return f"is {_kind(value)}"
    try:
        converted = msgspec.convert(value, _FIELDS[key])
    except msgspec.ValidationError as error:
        return _reason(key, value, str(error))
    if isinstance(converted, datetime) and not EARLIEST <= converted <= LATEST:
        return f"lies outside of {EARLIEST:%Y} to {LATEST:%Y}"
    if key == "phone" and not is_phone(converted):
        return "is not one phone number"
    return None


def _reason(key: str, value: object, message: str) -> str:
    """The schema's own words where they carry no value, our own for the rest."""
    if value == "":
        return "is empty"
    if "datetime" in message and isinstance(value, str):
        return "is not an ISO 8601 date and time with an offset"
    return message[0].lower() + message[1:]


def _kind(value: object) -> str:
    names = {_NotJson: "NaN or Infinity", _Object: "an object", str: "text", list: "an array", bool: "true or false"}
    return next((name for kind, name in names.items() if isinstance(value, kind)), "a number or null")


def _safe_name(key: str) -> str:
    """A field's name as it is, unless it may be somebody's data."""
    return key if _IDENTIFIER.fullmatch(key) else "(a name that is not shown)"


class _Window:
    """The part of the file that is being looked at, as text, and where in it."""

    def __init__(self, file: BinaryIO) -> None:
        file.seek(0)
        self._file = file
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self.text = ""
        self.at = 0

    def more(self) -> bool:
        """Read on; False at the end of the file."""
        block = self._file.read(BLOCK)
        self.text = self.text[self.at :] + self._utf8.decode(block, final=not block)
        self.at = 0
        return bool(block)

    def next_token(self) -> str:
        """The next character that is no white space, "" at the end of the file; it is not taken."""
        while True:
            while self.at < len(self.text):
                if self.text[self.at] not in _SPACE:
                    return self.text[self.at]
                self.at += 1
            if not self.more():
                return ""

    def take(self, expected: str) -> bool:
        if self.next_token() != expected:
            return False
        self.at += 1
        return True


def _elements(window: _Window) -> Iterator[object]:
    if not window.take("["):
        raise _Malformed("no '['")
    if window.take("]"):
        return
    while True:
        yield _element(window)
        if window.take(","):
            continue
        if not window.take("]"):
            raise _Malformed("neither ',' nor ']'")
        if window.next_token():
            raise _Malformed("something follows the closing ']'")
        return


def _element(window: _Window) -> object:
    if not window.next_token():
        raise _Malformed("the file ends")
    while True:
        try:
            value, end = _decoder.raw_decode(window.text, window.at)
        except json.JSONDecodeError:
            pass
        else:
            # A number that touches the window's edge may go on behind it.
            if end < len(window.text) or isinstance(value, _Object | list | str) or not window.more():
                window.at = end
                return value
            continue
        if len(window.text) - window.at > LONGEST_RECORD:
            raise _Malformed("a record without an end")
        if not window.more():
            raise _Malformed("a record that is cut off or malformed")


def _not_json(_: str) -> _NotJson:
    return _NotJson()


_decoder = json.JSONDecoder(object_pairs_hook=_Object, parse_constant=_not_json, strict=True)
