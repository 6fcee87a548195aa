"""Read records in JSON: an array, one object a line, or a list somewhere inside an object.

    [{…}, {…}]          {"results": [{…}, {…}]}          {…}
                                                         {…}

The file is read in pieces, so it can have any size.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, TextIO

from migrations.conversion.rows import Value
from migrations.importer.record import LONGEST_RECORD

__all__ = ["NotJson", "kind_of", "read_objects"]

PIECE = 1 << 16
_MOST_DIGITS = 4300
"""Python's own limit for an integer, and ours for the exponent of a decimal."""
_SPACE = re.compile(r"\s*")
_UNWRAPPED = ("fields", "properties", "attributes")
"""Where tools put a record's columns: Django and Airtable, HubSpot, JSON:API."""


class NotJson(Exception):
    """The text is not JSON from here on. The message says why, without its values."""


class _Window:
    """The part of the text in memory."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.text = ""
        self.at = 0
        self.ended = False

    def more(self) -> None:
        """Read on, and forget the text before ``at``."""
        piece = self._file.read(PIECE)
        self.ended = not piece
        self.text = self.text[self.at :] + piece
        self.at = 0

    def peek(self) -> str:
        """Skip white space and return the next character, or "" at the end."""
        while True:
            space = _SPACE.match(self.text, self.at)
            self.at = space.end() if space else self.at
            if self.at < len(self.text) or self.ended:
                return self.text[self.at : self.at + 1]
            self.more()

    def take(self, expected: str) -> bool:
        """Step over a character if it comes next. Returns whether it did."""
        if self.peek() != expected:
            return False
        self.at += 1
        return True

    def value(self) -> Any:
        """Take one value. Raises ``NotJson``."""
        self.peek()
        while True:
            try:
                value, end = _decoder.raw_decode(self.text, self.at)
            except json.JSONDecodeError:
                end = len(self.text)
            except RecursionError:
                raise NotJson("is nested too deeply") from None
            except ValueError:  # an integer beyond _MOST_DIGITS
                raise NotJson("holds a number of too many digits") from None
            else:
                # A number may continue behind the window's edge.
                if end + 2 < len(self.text) or self.ended:
                    self.at = end
                    return value
            if self.ended or end - self.at > LONGEST_RECORD:
                raise NotJson("is cut off or malformed")
            self.more()


def kind_of(start: str) -> str | None:
    """Say which kind of JSON a text begins as. Returns None if it is not JSON."""
    head = start.lstrip()
    if head.startswith("["):
        is_dump = '"model"' in head[:200] and '"fields"' in head[:2000]
        return "Django dumpdata" if is_dump else "JSON array"
    if head.startswith("{"):
        return "JSON lines" if _is_line(head) else "JSON object with a list"
    return None


def _is_line(head: str) -> bool:
    """Whether an object is a record itself, not a wrapper around a list of them."""
    try:
        value, end = _decoder.raw_decode(head)
    except (ValueError, NotJson, RecursionError):
        return False
    if head[end:].lstrip().startswith("{"):
        return True
    holds_objects = "[{" in re.sub(r"\s", "", head[:end])
    has_values = not all(isinstance(inner, dict | list) for inner in value.values())
    return has_values and not holds_objects


def read_objects(file: TextIO, kind: str) -> Iterator[Mapping[str, Value]]:
    """Read records, each as columns. Raises ``NotJson``."""
    window = _Window(file)
    if kind == "JSON lines":
        values = _one_after_the_other(window)
    elif kind == "JSON object with a list":
        values = _inside(window)
    else:
        values = _alone(window)
    count = 0
    try:
        for value in values:
            if not isinstance(value, dict):
                raise NotJson("is not an object")
            yield _columns(value)
            count += 1
    except NotJson as error:
        raise NotJson(f"what follows {count:,} records {error}") from None


def _one_after_the_other(window: _Window) -> Iterator[Any]:
    while window.peek():
        yield window.value()
        window.take(",")


def _alone(window: _Window) -> Iterator[Any]:
    yield from _elements(window)
    if window.peek():
        raise NotJson("is not part of the list")


def _elements(window: _Window) -> Iterator[Any]:
    if not window.take("["):
        raise NotJson("is not a list")
    if window.take("]"):
        return
    while True:
        yield window.value()
        if not window.take(","):
            break
    if not window.take("]"):
        raise NotJson("is cut off or malformed")


def _inside(window: _Window) -> Iterator[Any]:
    """Read the first list of objects, however deep. If there is none, read objects by key."""
    by_key: dict[str, Any] = {}
    if not window.take("{"):
        raise NotJson("is not a list")
    while not window.take("}"):
        key = window.value()
        if not window.take(":"):
            raise NotJson("is cut off or malformed")
        if window.peek() == "[" and _opens_objects(window):
            yield from _elements(window)
            return
        by_key[str(key)] = window.value()
        if not window.take(",") and window.peek() != "}":
            raise NotJson("is cut off or malformed")
    yield from _inside_values(by_key)


def _opens_objects(window: _Window) -> bool:
    rest = window.text[window.at + 1 :].lstrip()
    if not rest and not window.ended:
        window.more()
        rest = window.text[window.at + 1 :].lstrip()
    return rest.startswith("{")


def _lists_of_objects(value: Any) -> Iterator[list[Any]]:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _lists_of_objects(inner)


def _inside_values(value: dict[str, Any]) -> list[Any]:
    """Find records inside one value: {"data": {"leads": […]}}, {"-Nx1": {…}, …}."""
    if found := next(_lists_of_objects(value), None):
        return found
    if value.keys() >= {"columns", "data"}:
        try:
            return [dict(zip(value["columns"], row, strict=True)) for row in value["data"]]
        except (TypeError, ValueError):
            raise NotJson("has rows that do not match its columns") from None
    inner_objects = [inner for inner in value.values() if isinstance(inner, dict)]
    if not value or len(inner_objects) < len(value):
        raise NotJson("has no list of objects")
    if all(key.isdecimal() for inner in inner_objects for key in inner):  # columns, by row
        rows = dict.fromkeys(key for inner in inner_objects for key in inner)
        return [{name: column.get(row) for name, column in value.items()} for row in rows]
    return [{"id": key, **inner} for key, inner in value.items()]


def _columns(record: Mapping[str, Any]) -> Mapping[str, Value]:
    """Flatten a record: {"owner": {"name": …}} becomes "owner.name"."""
    if not any(isinstance(value, dict | list) for value in record.values()):
        return record
    flat: dict[str, Value] = {}
    for name, value in record.items():
        flat.update(_flat(name, value))
    if "pk" in flat and "fields" in record:
        flat.setdefault("id", flat.pop("pk"))
    return flat


def _flat(name: str, value: Any) -> Iterable[tuple[str, Value]]:
    if isinstance(value, dict):
        if len(value) == 1 and next(iter(value)).startswith("$"):  # MongoDB's {"$oid": "…"}
            return _flat(name, next(iter(value.values())))
        prefix = "" if name in _UNWRAPPED else f"{name}."
        return _columns({f"{prefix}{key}": inner for key, inner in value.items()}).items()
    if isinstance(value, list):
        return _of_list(name, value)
    return [(name, value)]


def _of_list(name: str, values: list[Any]) -> Iterable[tuple[str, Value]]:
    if not all(isinstance(value, dict) for value in values):
        return [(name, ", ".join(str(value) for value in values if value is not None))]
    if answers := [answer for value in values if (answer := _answer(value))]:
        return answers
    primary = [value for value in values if value.get("primary")] or values
    return [(name, primary[0].get("value") if primary else None)]


def _answer(value: Mapping[str, Any]) -> tuple[str, Value] | None:
    """Read one answer of a form, as the interfaces of Facebook and Google give it."""
    name = value.get("column_id") or ("values" in value and value.get("name"))
    answers = value.get("values") or [value.get("string_value")]
    return (str(name), answers[0]) if name else None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    built = dict(pairs)
    if len(built) != len(pairs):
        raise NotJson("has the same key twice")
    return built


def _decimal(text: str) -> Decimal:
    number = Decimal(text)
    if abs(number.adjusted()) > _MOST_DIGITS:
        raise NotJson("holds a number of too many digits")
    return number


_decoder = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_decimal, parse_constant=lambda _: None, strict=False
)
