"""Tidy phones from forms and spreadsheets, and guess which are the same.

Only the server knows whether two phones are the same (``lead_phone_key_v1``). The guess is good
enough for a person to look at.
"""

import re
from decimal import Decimal, InvalidOperation

from migrations.conversion.rows import Value

__all__ = ["LostPhone", "key_of", "tidied"]

_is_plain = re.compile(r"[0-9 +()-]*").fullmatch
_PREFIX = re.compile(r"^\s*'?\s*(?:p:|tel:)?\s*'?", re.IGNORECASE)
_DECIMAL = re.compile(r"(\+?\d{6,15})\.0+")
_SCIENTIFIC = re.compile(r"\+?\d+([.,]\d+)?[eE]\+?\d+")
_SEVERAL = " ::: "
"""Google Contacts writes it between several values of one label. The first is the main one."""
_EXTENSION = re.compile(r"(?:ext(?:n|ension)?\.?|x|#)[:=\s]*(\d{1,7})$", re.IGNORECASE)
_SIGNS = re.compile(r"[^\d+]+")
_TRUNK_ZERO = re.compile(r"^((?:\+|00)[1-9]\d{0,2}) ?\(0\)")


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


def key_of(phone: str) -> str:
    """Reduce a phone to what its spellings usually have in common."""
    number = _TRUNK_ZERO.sub(r"\1", phone) if "(0)" in phone else phone
    extension = None if _is_plain(number) else _EXTENSION.search(number)
    if extension:
        number = number[: extension.start()]
    digits = _SIGNS.sub("", number)
    if digits.startswith(("+", "00")):
        digits = digits.lstrip("+").removeprefix("00")
        digits = "44" + digits[3:] if digits.startswith("440") else digits
    elif digits.startswith("0"):
        digits = "44" + digits[1:]
    elif len(digits) == 10:
        digits = "44" + digits
    return f"{digits}x{extension[1]}" if extension else digits
