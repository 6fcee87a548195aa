"""List everything wrong in an export: a slow and careful second look at a file that did not pass.

The fast decoder of exports stops at the first thing it dislikes. This one walks every record with
the standard library's parser, because it shows repeated keys and lets every kind of bad value
through. Then it asks the schema about each field by itself.
"""

import codecs
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, cast

import msgspec

from migrations.importer.declaration import Field
from migrations.importer.errors import SHOWN_PROBLEMS, Problem
from migrations.importer.phone import are_phones
from migrations.importer.record import LONGEST_RECORD, Record, record_type, why_no_moment

__all__ = ["Malformed", "find_problems", "read_carefully", "with_problems"]

_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]{0,40}", re.ASCII)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_SPACE = re.compile(r"[ \t\r\n]*")
_MEGABYTES = LONGEST_RECORD >> 20


class _NotJson(NamedTuple):
    """NaN, Infinity and the like: JSON has no such number."""


class _Object(list[tuple[str, Any]]):
    """A JSON object as its pairs, to show repeated keys."""

    __slots__ = ()


_TYPES = {
    "array": "a list",
    "bool": "true or false",
    "datetime": "a date and time",
    "decimal": "a number",
    "float": "a number with a fraction",
    "int": "a whole number",
    "str": "text",
}
_PLAIN_WORDS = (
    (re.compile(r"Expected `(\w+)(?: \| null)?`, got `(\w+)`"), "is {1}, expected {0}"),
    (re.compile("matching regex"), "is no ISO 8601 date, or time with an offset"),
    (re.compile(r"of length <= (\d+)"), "is longer than {0} characters"),
    (re.compile(r"`int` >= (\d+)"), "is below {0}"),
    (re.compile(r"`int` <= (\d+)"), "is above {0}"),
)
"""msgspec's words for a misfit value, and ours."""

_KINDS: dict[type, str] = {
    _NotJson: "NaN or Infinity",
    _Object: "an object",
    list: "an array",
    str: "text",
    bool: "true or false",
    type(None): "null",
    object: "a number",
}


class Malformed(Exception):
    """The text is no JSON from here on."""


class _MalformedRecord(Malformed):
    """The next record is no JSON."""


def find_problems(blocks: Iterable[bytes], fields: tuple[Field, ...]) -> tuple[list[Problem], int]:
    """List what is wrong with an export: the first problems, and how many there are in all.

    blocks: the file's bytes. fields: what each record holds. Never empty, because the file did not
    pass.
    """
    shown: list[Problem] = []
    total = 0
    for problem in _problems(blocks, _types(fields)):
        total += 1
        if len(shown) < SHOWN_PROBLEMS:
            shown.append(problem)
    if not shown:  # the rest is valid JSON
        return [
            Problem(
                0,
                "",
                f"holds over {_MEGABYTES} MB of white space in one place, or changed meanwhile",
            )
        ], 1
    return shown, total


def read_carefully(
    blocks: Iterable[bytes], fields: tuple[Field, ...]
) -> Iterator[Record | list[Problem]]:
    """Yield each record, or what is wrong with it.

    Raises ``Malformed`` if the text is no JSON from there on.
    """
    type_ = record_type(fields)
    for value, problems in with_problems(blocks, fields):
        yield problems or msgspec.convert(dict(cast(_Object, value)), type_)


def with_problems(
    blocks: Iterable[bytes], fields: tuple[Field, ...]
) -> Iterator[tuple[object, list[Problem]]]:
    """Yield each element of the array, an object as its pairs, and what is wrong with it.

    Raises ``Malformed``.
    """
    types = _types(fields)
    try:
        for position, value in enumerate(_elements(_Window(blocks)), start=1):
            yield value, list(_of_record(position, value, types))
    except RecursionError:
        raise Malformed("a record is nested too deeply") from None


def _types(fields: tuple[Field, ...]) -> dict[str, Any]:
    """Return the type of each field's values by its name."""
    return {field.name: field.type for field in msgspec.structs.fields(record_type(fields))}


def _problems(blocks: Iterable[bytes], types: dict[str, Any]) -> Iterator[Problem]:
    position = 0
    try:
        for position, value in enumerate(_elements(_Window(blocks)), start=1):
            yield from _of_record(position, value, types)
    except RecursionError:
        yield Problem(position + 1, "", "is nested too deeply")
    except _MalformedRecord as error:
        yield Problem(position + 1, "", str(error))
    except Malformed as error:
        after = f"after record {position}" if position else "at its start"
        yield Problem(0, "", f"is not a JSON array of records: {error} {after}")


def _of_record(position: int, value: object, types: dict[str, Any]) -> Iterator[Problem]:
    if not isinstance(value, _Object):
        yield Problem(position, "", f"is no object, but {_kind(value)}")
        return
    seen = Counter(key for key, _ in value)
    for key, times in seen.items():
        if times > 1:
            yield Problem(position, _safe_name(key), f"stands {times} times in the object")
        if key not in types:
            yield Problem(position, _safe_name(key), "is not a field of an export")
    for key in types:
        if key not in seen:
            yield Problem(position, key, "is missing")
    for key, field in value:
        if key in types and (reason := _of_value(key, field, types[key])):
            yield Problem(position, key, reason)


def _of_value(key: str, value: Any, type_: Any) -> str | None:
    if isinstance(value, str):
        if "\0" in value:
            return "holds a NUL character"
        if _LONE_SURROGATE.search(value):
            return "holds bytes that are not UTF-8, or half of a surrogate pair"
        if type_ == Decimal | None:
            return "is text, expected a number"
    try:
        converted = msgspec.convert(value, type_)
    except msgspec.ValidationError as error:
        return _reason(value, str(error))
    if isinstance(converted, datetime):
        return why_no_moment(converted)
    return "is not one phone number" if key == "phone" and not are_phones([converted]) else None


def _reason(value: object, message: str) -> str:
    """Put the schema's message, which never holds the value, into plain words."""
    if value == "":
        return "is empty"
    if isinstance(value, _NotJson | _Object):
        return f"is {_kind(value)}"
    if "datetime" in message and isinstance(value, str):
        return "is not an ISO 8601 date and time with an offset"
    for wording, reason in _PLAIN_WORDS:
        if found := wording.search(message):
            return reason.format(*(_TYPES.get(word, word) for word in found.groups()))
    return "does not fit"


def _kind(value: object) -> str:
    return next(name for kind, name in _KINDS.items() if isinstance(value, kind))


def _safe_name(key: str) -> str:
    """Return a field's name, unless it may be somebody's data."""
    return key if _IDENTIFIER.fullmatch(key) else "(name not shown)"


class _Window:
    """A part of the file as text, and where we are in it.

    Bytes other than UTF-8 become lone surrogates, so they are found in their field.
    """

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self._utf8 = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self.text = ""
        self.at = 0
        self.ended = False

    def more(self) -> None:
        """Read on, and set ``ended`` at the end of the file."""
        block = next(self._blocks, b"")
        self.ended = not block
        self.text = self.text[self.at :] + self._utf8.decode(block, final=self.ended)
        self.at = 0

    def next_token(self) -> str:
        """Peek at the next character after white space, "" at the end of the file."""
        while True:
            if space := _SPACE.match(self.text, self.at):
                self.at = space.end()
            if self.at < len(self.text) or self.ended:
                return self.text[self.at : self.at + 1]
            self.more()

    def take(self, expected: str) -> bool:
        if self.next_token() != expected:
            return False
        self.at += 1
        return True


def _elements(window: _Window) -> Iterator[object]:
    if not window.take("["):
        raise Malformed("no '['")
    if window.take("]"):
        return
    while True:
        yield _element(window)
        if window.take(","):
            continue
        if not window.take("]"):
            raise Malformed("neither ',' nor ']'")
        if window.next_token():
            raise Malformed("something follows the closing ']'")
        return


def _element(window: _Window) -> object:
    window.next_token()
    while True:
        try:
            value, end = _decoder.raw_decode(window.text, window.at)
        except json.JSONDecodeError:
            end = len(window.text)
        else:
            # A number may go on behind the window's edge: 1e+ is one cut off.
            if end + 2 < len(window.text) or window.ended:
                window.at = end
                return value
        if window.ended or end - window.at > LONGEST_RECORD:
            raise _MalformedRecord(f"is cut off, malformed, or longer than {_MEGABYTES} MB")
        window.more()


def _not_json(_: str) -> _NotJson:
    return _NotJson()


def _integer(digits: str) -> int:
    return int(digits[:40])  # still too large, and Python converts at most 4,300 digits


_decoder = json.JSONDecoder(
    object_pairs_hook=_Object, parse_constant=_not_json, parse_int=_integer, strict=True
)
