"""Tidy phones from forms and spreadsheets."""

import re
from decimal import Decimal, InvalidOperation

from migrations.conversion.rows import Value

__all__ = ["LostPhone", "tidied"]

_is_plain = re.compile(r"[0-9 +()-]*").fullmatch
_PREFIX = re.compile(r"^\s*'?\s*(?:p:|tel:)?\s*'?", re.IGNORECASE)
_DECIMAL = re.compile(r"(\+?\d{6,15})\.0+")
_SCIENTIFIC = re.compile(r"\+?\d+([.,]\d+)?[eE]\+?\d+")
_SEVERAL = " ::: "
"""Google Contacts writes it between several values of one label. The first is the main one."""


class LostPhone(ValueError):
    """A spreadsheet has rounded the number, so its digits are lost."""


def tidied(value: Value) -> str:
    """Remove what tools put around a phone. Raises ``LostPhone``."""
    if isinstance(value, str) and _is_plain(value):
        return value
    if isinstance(value, float | Decimal):
        return _whole(Decimal(repr(value) if isinstance(value, float) else value))
    text = _PREFIX.sub("", "" if value is None else str(value)).split(_SEVERAL)[0].strip()
    if _SCIENTIFIC.fullmatch(text):
        return _whole(Decimal(text.replace(",", ".")))
    number = _DECIMAL.fullmatch(text)
    return number[1] if number else text


def _whole(number: Decimal) -> str:
    """Write a spreadsheet's number as digits, if it still has all of them."""
    try:
        is_whole = number == number.to_integral_value()
    except InvalidOperation:
        is_whole = False
    if not is_whole or number.as_tuple().exponent > 0:  # type: ignore[operator]  # is finite
        raise LostPhone
    return str(int(number))
