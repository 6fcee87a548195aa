"""Convert a field's values to the importer's format, a whole column at a time.

If a value does not fit, it is reported and becomes blank.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from decimal import Decimal
from typing import Any, cast

from migrations.conversion.errors import Undecided
from migrations.conversion.moments import moment_of
from migrations.conversion.phones import LostPhone, tidied
from migrations.conversion.rows import Value
from migrations.importer.declaration import Field
from migrations.importer.phone import are_phones
from migrations.importer.record import are_moments, why_no_moment

__all__ = ["BETWEEN", "Conventions", "Report", "converted", "joined"]

Report = Callable[[int, str], None]
"""Called if a value does not fit, with its index in the column and the reason."""


class _Unfit(Exception):
    """A value does not fit. The message says why, without the value."""


@dataclass(frozen=True)
class Conventions:
    """What a file's dates mean.

    zone: of times without an offset. order: of day and month. created_at: of leads without one.
    Each is None if unknown.
    """

    zone: tzinfo | None = None
    order: str | None = None
    created_at: datetime | None = None


BETWEEN = {"full_name": " ", "address1": ", ", "notes": "\n"}
"""What joins the values of several columns. Other fields take the first filled one."""
_TRUE = {"true", "yes", "y", "t", "1", "on", "1.0"}
_FALSE = {"false", "no", "n", "f", "0", "off", "0.0"}
_FOREIGN = re.compile("[\0\ud800-\udfff]")
_AROUND_NUMBERS = re.compile(r"[\s£$€]|GBP|EUR|USD")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d{1,2})?")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+\.\d+|[+-]?\d{1,3}(,\d{3}){2,}")
_COMMA = re.compile(r"[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+")
_MANY = re.compile(r"[+-]?\d{1,3},\d{3}")
"""1,234 is over a thousand in one country, and little more than one in another."""
LARGEST = 2**63 - 1
LOST = (
    "lost digits in a spreadsheet, as in 7.7009E+09 (export it again, and do not save it from "
    "the spreadsheet, or keep that column as text)"
)


def joined(field: Field, columns: Sequence[Sequence[Value]]) -> Sequence[Value]:
    """Join a field's columns into one."""
    if len(columns) == 1:
        return columns[0]
    between = BETWEEN.get(field.name)
    rows = zip(*columns, strict=True)
    if between is None:
        return [next(filter(_is_filled, row), None) for row in rows]
    return [between.join(_text(value) for value in row if _is_filled(value)) for row in rows]


def converted(
    field: Field, values: Sequence[Value], conventions: Conventions, report: Report
) -> Sequence[Any]:
    """Convert a field's values. Raises ``Undecided`` if they can be read in two ways."""
    if field.name == "phone":
        return _phones(field, values, report)
    if field.kind == "text":
        return _texts(field, values, report)
    if field.kind == "timestamp":
        return _moments(field, values, conventions, report)

    def one(value: Value) -> Any:
        return _OF_KIND[field.kind](value) if field.kind != "date" else _day(value, conventions)

    blank = "" if field.kind == "date" else None
    return [
        _or_blank(one, value, blank, index, report) if _is_filled(value) else blank
        for index, value in enumerate(values)
    ]


def _or_blank(
    convert: Callable[[Value], Any], value: Value, blank: Any, index: int, report: Report
) -> Any:
    try:
        return convert(value)
    except _Unfit as error:
        report(index, str(error))
    return blank


def _is_filled(value: Value) -> bool:
    return value is not None and value != ""


def _text(value: Value) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float | Decimal):
        return f"{Decimal(str(value)).normalize():f}"
    return value.isoformat() if isinstance(value, date) else str(value)


def _texts(field: Field, values: Sequence[Value], report: Report) -> Sequence[str]:
    are_texts = set(map(type, values)) == {str}
    texts = cast(Sequence[str], values) if are_texts else list(map(_text, values))
    if field.name == "postal_code":
        texts = [text.removeprefix("z:") for text in texts]  # Facebook's mark
    if max(map(len, texts)) > field.longest or _FOREIGN.search("".join(texts)):
        for index, text in enumerate(texts):
            _report_text(text, field.longest, index, report)
    return texts


def _report_text(text: str, longest: int, index: int, report: Report) -> None:
    if len(text) > longest:
        report(index, f"is longer than {longest} characters")
    if "\0" in text:
        report(index, "holds a NUL character")
    elif _FOREIGN.search(text):
        report(index, "holds half of a surrogate pair")


def _phones(field: Field, values: Sequence[Value], report: Report) -> list[str | None]:
    """Tidy phones. A lost one becomes None."""
    phones = [_phone(value, index, report) for index, value in enumerate(values)]
    if not _are_phones([phone for phone in phones if phone], field.longest):
        for index, phone in enumerate(phones):
            if phone and not _are_phones([phone], field.longest):
                report(index, "is not one phone number")
    return phones


def _phone(value: Value, index: int, report: Report) -> str | None:
    try:
        phone = tidied(value)
    except LostPhone:
        report(index, LOST)
        return None
    if not phone:
        report(index, "is empty")
    return phone


def _are_phones(phones: Sequence[str], longest: int) -> bool:
    return not phones or (are_phones(phones) and max(map(len, phones)) <= longest)


def _moments(
    field: Field, values: Sequence[Value], conventions: Conventions, report: Report
) -> list[str]:
    moments = _iso_moments(values) or _any_moments(field, values, conventions, report)
    filled = [moment for moment in moments if moment]
    if filled and not are_moments(filled):
        for index, moment in enumerate(moments):
            if moment and (reason := why_no_moment(moment)):
                report(index, reason)
    return [moment.isoformat() if moment else "" for moment in moments]


def _iso_moments(values: Sequence[Value]) -> Sequence[datetime | None]:
    """Read the usual spelling ten times as fast. Returns nothing if a value has another one."""
    try:
        moments = [datetime.fromisoformat(value) for value in values]  # type: ignore[arg-type]  # caught
    except (TypeError, ValueError):
        return []
    return moments if all(moment.tzinfo for moment in moments) else []


def _any_moments(
    field: Field, values: Sequence[Value], conventions: Conventions, report: Report
) -> Sequence[datetime | None]:
    def one(value: Value) -> datetime:
        return _in_zone(_read(value, conventions), conventions)

    return [
        _or_blank(one, value, None, index, report)
        if _is_filled(value)
        else _blank_moment(field, conventions)
        for index, value in enumerate(values)
    ]


def _read(value: Value, conventions: Conventions) -> datetime:
    try:
        return moment_of(value, conventions.order)
    except (ValueError, OverflowError, OSError):
        raise _Unfit("cannot be read as a date, such as 2026-11-26 14:15") from None


def _in_zone(moment: datetime, conventions: Conventions) -> datetime:
    if moment.tzinfo:
        return moment
    if conventions.zone is None:
        question = "The file has times without an offset from UTC. In which time zone are they?"
        raise Undecided("timezone", question, "Europe/London")
    return moment.replace(tzinfo=conventions.zone)


def _blank_moment(field: Field, conventions: Conventions) -> datetime | None:
    if field.name != "created_at":
        return None
    if conventions.created_at is None:
        question = "The file does not say when each lead was created. Which day should be used?"
        raise Undecided("created-at", question, "2026-11-26")
    return conventions.created_at


def _day(value: Value, conventions: Conventions) -> str:
    return _read(value, conventions).date().isoformat()


def _number(value: Value) -> Decimal:
    text = _AROUND_NUMBERS.sub("", _text(value))
    if _THOUSANDS.fullmatch(text):
        text = text.replace(",", "")
    elif _COMMA.fullmatch(text) and not _MANY.fullmatch(text):
        text = text.replace(".", "").replace(",", ".")
    if not _NUMBER.fullmatch(text):
        raise _Unfit("cannot be read as a number, such as 1234.50")
    return Decimal(text)


def _integer(value: Value) -> int:
    number = _number(value)
    if number != number.to_integral_value() or abs(number) > LARGEST:
        raise _Unfit("is not a whole number")
    return int(number)


def _boolean(value: Value) -> bool:
    text = _text(value).strip().lower()
    if text not in _TRUE | _FALSE:
        raise _Unfit("is neither true nor false")
    return text in _TRUE


_OF_KIND: dict[str, Callable[[Value], Any]] = {
    "integer": _integer,
    "numeric": _number,
    "boolean": _boolean,
}
