"""Read dates and times as files spell them. An ambiguous date is asked about, never guessed."""

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from migrations.conversion.errors import Undecided
from migrations.conversion.look import DAY_FIRST, MONTH_FIRST
from migrations.conversion.rows import Value

__all__ = ["midnight", "moment_of", "zone"]

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DATES = (
    re.compile(r"(?P<year>\d{4})[/.-](?P<month>\d{1,2})[/.-](?P<day>\d{1,2})"),
    re.compile(r"(?P<one>\d{1,2})[/.-](?P<two>\d{1,2})[/.-](?P<year>\d{4}|\d{2})(?!\d)"),
    re.compile(
        r"(?P<day>\d{1,2})(?:st|nd|rd|th)?[ -]+(?P<name>[a-z]{3})[a-z]*\.?,?[ -]+(?P<year>\d{4})"
    ),
    re.compile(r"(?P<name>[a-z]{3})[a-z]*\.? +(?P<day>\d{1,2})(?:st|nd|rd|th)?,? +(?P<year>\d{4})"),
)
_WEEKDAY = re.compile(r"(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,? +")
_TIME = re.compile(
    r"(?:[\s,t]|at)*(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,]\d+)?)?"
    r"(?:\s*(?P<half>[ap])\.?m\.?)?"
    r"(?:\s*(?P<utc>utc|gmt|z))?(?:\s*(?P<offset>[+-]\d\d:?\d\d))?(?:\s*\(.*\))?"
)

_DAYS_OF_EXCEL = range(30_000, 75_000)
"""1982 to 2105, in days since the end of 1899. Seconds since 1970 are larger numbers."""
_EPOCH_OF_EXCEL = datetime(1899, 12, 30)
_LATEST_OF_TWO_DIGITS = 68
"""A year's last two digits: 69 is 1969, as POSIX reads it."""
_LATEST_SECONDS = 10**10
"""Seconds since 1970 stay below it until 2286. Milliseconds are above it since April 1970."""


def zone(name: str) -> tzinfo:
    """Return a time zone by its name. Raises ``Undecided`` if the name is unknown."""
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Undecided("timezone", f"{name!r} is not a time zone.", "Europe/London") from None


def midnight(day: str) -> datetime:
    """Return the start of a day, in UTC. Raises ``Undecided`` if the text is not a day."""
    try:
        return datetime.combine(date.fromisoformat(day), time(), UTC)
    except ValueError:
        raise Undecided("created-at", f"{day!r} is not a day.", "2026-11-26") from None


def moment_of(value: Value, order: str | None) -> datetime:
    """Read a date and time, without an offset if it has none. A date becomes its midnight.

    order: "day-first", "month-first", or None if unknown. Raises ``ValueError`` if the value is
    neither, and ``Undecided`` if it can be read in two ways.
    """
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    text = str(value).strip()
    if number := _number(text):
        return _of_number(number)
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return _spelled(text.lower(), order)


def _number(text: str) -> Decimal | None:
    """Read a number, unless it may be a year or an ISO date without dashes."""
    is_number = re.fullmatch(r"\d+(\.\d*)?|\d(\.\d+)?e\+?\d\d?", text, re.IGNORECASE)
    return Decimal(text) if is_number and len(text) not in (4, 8) else None


def _of_number(number: Decimal) -> datetime:
    if int(number) in _DAYS_OF_EXCEL:
        days = timedelta(days=float(number))
        return _EPOCH_OF_EXCEL + timedelta(seconds=round(days.total_seconds()))
    while number >= _LATEST_SECONDS:
        number /= 1000
    return datetime.fromtimestamp(float(number), UTC)


def _spelled(text: str, order: str | None) -> datetime:
    if weekday := _WEEKDAY.match(text):
        text = text[weekday.end() :]
    for spelling in _DATES:
        if found := spelling.match(text):
            return _at_time(_day(found, order), text[found.end() :])
    raise ValueError("no date")


def _day(found: re.Match[str], order: str | None) -> datetime:
    parts = found.groupdict()
    year = int(parts["year"])
    if len(parts["year"]) == 2:
        year += 1900 if year > _LATEST_OF_TWO_DIGITS else 2000
    if name := parts.get("name"):
        return datetime(year, _MONTHS.index(name) + 1, int(parts["day"]))
    if month := parts.get("month"):
        return datetime(year, int(month), int(parts["day"]))
    one, two = int(parts["one"]), int(parts["two"])
    if order is None:
        question = f"Are dates such as 01/02/2026 {DAY_FIRST} or {MONTH_FIRST}?"
        raise Undecided("dates", f"{question} The file does not say.", DAY_FIRST)
    return datetime(year, two, one) if order == DAY_FIRST else datetime(year, one, two)


def _at_time(day: datetime, text: str) -> datetime:
    if not text.strip():
        return day
    found = _TIME.fullmatch(text.strip())
    if not found:
        raise ValueError("no time")
    hour = int(found["hour"])
    if half := found["half"]:
        hour = hour % 12 + (12 if half == "p" else 0)
    moment = day.replace(hour=hour, minute=int(found["minute"]), second=int(found["second"] or 0))
    if offset := found["offset"]:
        return datetime.fromisoformat(f"{moment.isoformat()}{offset}")
    return moment.replace(tzinfo=UTC) if found["utc"] else moment
