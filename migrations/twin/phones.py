"""Invent phones: numbers nobody has, one for each key of ``lead_phone_key_v1``.

    07700 900548            04666 5271166
    +44 (0)29 2018 0012     +44 (0)41 7705 47708
    +1 212 555 0123 x12     +9 998 049 153277 x12
    7700900548              [0]46665271166

- British numbers start with 04, reserved in Ofcom's National Telephone Numbering Plan. Their eleven
  digits are one more than anybody can dial.
- Foreign ones start with +999, reserved by the ITU. Longer ones start with +89, not assigned (ITU-T
  E.164, list of country codes).

Each phone keeps its spelling: if an export only respells a lead's phone, its twin does the same.
Ten bare digits are a national number, but eleven would be an international one. They get back the 0
a spreadsheet ate, in brackets, because brackets do not count.

The SQL function decides when two spellings are one phone. This module follows it, and a property
test keeps the two together.
"""

import re

from migrations.importer.phone import (
    BRITISH_DIGITS,
    Spelled,
    key_of,
    read_spelling,
    with_extension,
    without_decimal,
)
from migrations.twin.mask import Mask

__all__ = ["is_invented", "masked_phone"]

LONGEST = 40
"""Characters of a phone in an export."""

FOREIGN_DIGITS, HASHED_DIGITS = 12, 13

_INVENTED = re.compile(r"(?:444[0-9]{10}|999[0-9]{12}|89[0-9]{13})(?:x[0-9]{1,7})?")


def masked_phone(mask: Mask, text: str) -> str:
    """Invent a phone in the same spelling. Equal keys get equal phones, others different ones."""
    text = without_decimal(text)
    phone = read_spelling(text)
    key = _masked_key(mask, phone.key)
    spelled = _spelled_as(text, phone, key)
    wanted = with_extension(key, "x", phone.extension)
    # An odd spelling may mean something else with other digits, or have no room for them.
    if len(spelled) <= LONGEST and key_of(spelled) == wanted:
        return spelled
    return with_extension(f"+{key}", " x", phone.extension)


def is_invented(text: str) -> bool:
    """Whether a phone is in a range of invented ones."""
    return _INVENTED.fullmatch(key_of(text)) is not None


def _masked_key(mask: Mask, key: str) -> str:
    national = key.removeprefix("44") if key.startswith("44") else ""
    if national and national[0] != "0" and len(national) <= BRITISH_DIGITS:
        permuted = mask.permuted("phone", int(national), 10**BRITISH_DIGITS)
        return f"444{permuted:0{BRITISH_DIGITS}d}"
    if not national and len(key) <= FOREIGN_DIGITS:
        permuted = mask.permuted("phone", int(key), 10**FOREIGN_DIGITS)
        return f"999{permuted:0{FOREIGN_DIGITS}d}"
    return f"89{mask.number('phone', key, 10**HASHED_DIGITS):0{HASHED_DIGITS}d}"


def _spelled_as(text: str, phone: Spelled, key: str) -> str:
    """Put another key's digits into a text. Surplus digits follow its last one."""
    is_british = phone.key.startswith("44")
    digits = key.removeprefix("44") if is_british else key
    characters = list(text)
    if phone.zero >= 0 and not is_british:
        characters[phone.zero] = ""  # behind another country's code it would count
    for place, digit in zip(phone.places, digits, strict=False):
        characters[place] = digit
    characters[phone.places[-1]] += digits[len(phone.places) :]
    if phone.is_bare:
        characters[phone.places[0]] = "[0]" + characters[phone.places[0]]
    return "".join(characters)
