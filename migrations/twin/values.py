"""Mask each field of a record.

| field | becomes |
| --- | --- |
| id | its position |
| lead_number | another number of as many digits |
| full_name, assigned_agent | a colour and two birds |
| phone | a number nobody has, in a similar spelling |
| email | lead-<9 letters and digits>@example.org |
| address1 | an invented lane |
| postal_code | a code in ZZ99, where no post goes |
| notes, other text | other words, as long, with the same line breaks |
| created_at, other times | the same day, another time, the same offset |
| other numbers | another number of the same sign and as many digits |
| other dates | another day of that year |
| status, true and false, ``kept_fields`` | stay as they are |

Blanks stay blank. There are only 6,760 codes in ZZ99, so two postal codes may become one.
"""

import string
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from migrations.importer.declaration import Field, Leads, Lookup, Values, inner_of
from migrations.importer.record import EARLIEST, LATEST
from migrations.twin import words
from migrations.twin.mask import Mask
from migrations.twin.phones import masked_phone

__all__ = ["kept_fields", "masked_record"]

DAY = timedelta(days=1)
NO_DATE, NO_TIME = "0000-00-00", "0000-00-00T00:00:00Z"
"""Replace values that only look like a date. The server refuses these, too."""
SECOND, MICROSECOND = timedelta(seconds=1), timedelta(microseconds=1)
INTEGER_LIMITS = (1 << 15, 1 << 31, 1 << 63)
"""The first numbers too large for Postgres' smallint, integer and bigint."""

MOST_LETTERS = 4
"""A lead number with more letters may be somebody's name."""

Rule = Callable[[Mask, Field, Any], Any]


def kept_fields(leads: Leads) -> set[str]:
    """Return the fields to keep as they are in a twin.

    Words of a fixed list are nobody's data. A lookup without a default must find its row.
    """
    inner = {name: inner_of(target) for name, target in leads.targets.items()}
    return {"status"} | {
        name
        for name, target in inner.items()
        if isinstance(target, Values) or (isinstance(target, Lookup) and target.otherwise is None)
    }


def masked_record(
    mask: Mask,
    position: int,
    record: Mapping[str, Any],
    fields: Iterable[Field],
    kept: Collection[str],
) -> dict[str, Any]:
    """Invent the people of a record. Returns it as values for JSON.

    position: in the export, from 1. record: by field. kept: the fields to keep as they are.
    """
    masked: dict[str, Any] = {"id": position}
    for field in fields:
        value = record[field.name]
        stays = field.name in kept or _is_blank(value)
        rule = _OF_FIELD.get(field.name) or _OF_KIND[field.kind]
        masked[field.name] = value if stays else rule(mask, field, value)
    return masked


def _is_blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _as_it_is(_: Mask, __: Field, value: Any) -> Any:
    return value


def _lead_number(mask: Mask, field: Field, value: str) -> str:
    digits = [mark for mark in value if mark in string.digits]
    letters = sum(mark.isalpha() for mark in value)
    if not digits or letters > MOST_LETTERS:
        return _text(mask, field, value)
    permuted = mask.permuted(field.name, int("".join(digits)), 10 ** len(digits))
    written = iter(f"{permuted:0{len(digits)}d}")
    return "".join(next(written) if mark in string.digits else mark for mark in value)


def _name(mask: Mask, field: Field, value: str) -> str:
    return words.name(mask.number(field.name, value, 1 << 64))


def _phone(mask: Mask, _: Field, value: str) -> str:
    return masked_phone(mask, value)


def _email(mask: Mask, field: Field, value: str) -> str:
    number = mask.number(field.name, value, 36**9)
    return f"lead-{_in_letters(number, string.digits + string.ascii_lowercase, 9)}@example.org"


def _address(mask: Mask, field: Field, value: str) -> str:
    return words.address(mask.number(field.name, value, 1 << 64))


def _postal_code(mask: Mask, field: Field, value: str) -> str:
    number = mask.number(field.name, value, 10 * 26 * 26)
    digit, letters = divmod(number, 26 * 26)
    return f"ZZ99 {digit}{_in_letters(letters, string.ascii_uppercase, 2)}"


def _text(mask: Mask, field: Field, value: str) -> str:
    return words.text(mask.digest(field.name, value), value, field.longest)


def _integer(mask: Mask, field: Field, value: int) -> int:
    size = abs(value)
    limit = next((limit for limit in INTEGER_LIMITS if size < limit), INTEGER_LIMITS[-1])
    return _with_as_many_digits(mask, field, value, limit)


def _numeric(mask: Mask, field: Field, value: Any) -> msgspec.Raw:
    number = Decimal(str(value)).normalize()
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)  # JSON has no infinite numbers
    unscaled = int("".join(map(str, digits)))
    while True:
        unscaled = _with_as_many_digits(mask, field, unscaled, 10 ** len(digits))
        if unscaled % 10 or not unscaled:  # a last 0 would be lost, and a digit with it
            break
    masked = Decimal(-unscaled if sign else unscaled).scaleb(exponent)
    return msgspec.Raw(f"{masked:f}".encode())


def _with_as_many_digits(mask: Mask, field: Field, value: int, limit: int) -> int:
    """Return another whole number of the same sign, digits and integer type. Only 0 stays."""
    size = abs(value)
    lowest: int = 10 ** (len(str(size)) - 1)
    highest = min(10 * lowest, limit)
    if size == 0:
        return 0
    masked = lowest + mask.permuted(field.name, size - lowest, highest - lowest)
    return -masked if value < 0 else masked


def _created_at(mask: Mask, field: Field, value: datetime) -> str:
    masked = _another_time(mask, field, value)
    # Away from Greenwich, EARLIEST and LATEST are in the middle of a day.
    return min(max(masked, EARLIEST), LATEST).astimezone(value.tzinfo).isoformat()


def _timestamp(mask: Mask, field: Field, value: str) -> str:
    try:
        return _another_time(mask, field, datetime.fromisoformat(value)).isoformat()
    except ValueError:
        return NO_TIME


def _another_time(mask: Mask, field: Field, moment: datetime) -> datetime:
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    unit = MICROSECOND if moment.microsecond else SECOND
    permuted = mask.permuted(field.name, (moment - midnight) // unit, DAY // unit)
    return midnight + permuted * unit


def _date(mask: Mask, field: Field, value: str) -> str:
    try:
        day = date.fromisoformat(value)
    except ValueError:
        return NO_DATE
    new_year = day.replace(month=1, day=1)
    days = (day.replace(month=12, day=31) - new_year).days + 1
    return str(new_year + DAY * mask.permuted(field.name, (day - new_year).days, days))


def _in_letters(number: int, letters: str, length: int) -> str:
    written = ""
    for _ in range(length):
        number, letter = divmod(number, len(letters))
        written = letters[letter] + written
    return written


_OF_FIELD: dict[str, Rule] = {
    "lead_number": _lead_number,
    "full_name": _name,
    "phone": _phone,
    "email": _email,
    "address1": _address,
    "postal_code": _postal_code,
    "assigned_agent": _name,
    "created_at": _created_at,
}
_OF_KIND: dict[str, Rule] = {
    "text": _text,
    "integer": _integer,
    "numeric": _numeric,
    "boolean": _as_it_is,
    "date": _date,
    "timestamp": _timestamp,
}
