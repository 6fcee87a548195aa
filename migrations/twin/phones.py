"""Invented phones: numbers that nobody has, one for each key of ``lead_phone_key_v1``.

    07700 900548            04666 5271166
    +44 (0)29 2018 0012     +44 (0)41 7705 47708
    +1 212 555 0123 x12     +9 998 049 153277 x12
    7700900548              [0]46665271166

- British numbers go behind 04, which Ofcom's National Telephone Numbering Plan reserves, and are
  eleven digits long there, one more than can be dialled.
- Foreign ones go behind +999, which the ITU keeps back; what is longer, behind +89, which it has
  not assigned (ITU-T E.164, list of country codes).

A spelling stays what it is, so that a lead whose phone was only respelled is updated from a twin as
it is from the export. Ten bare digits are a national number, of which eleven would be an
international one: they get the 0 that a spreadsheet ate, in brackets, which do not count.

When two spellings are one phone is the SQL function's to say. This follows it, and a property test
holds the two together.
"""

import re
from typing import NamedTuple

from migrations.importer.phone import SEPARATORS, TRUNK_ZERO
from migrations.twin.mask import Mask

__all__ = ["is_invented", "key_of", "masked_phone"]

LONGEST = 40
"""Characters of a phone in an export."""

BRITISH_DIGITS, FOREIGN_DIGITS, HASHED_DIGITS = 10, 12, 13

_TEL = re.compile(r"tel:", re.IGNORECASE)
_EXTENSION = re.compile(r"(?<=[0-9])(?:;?ext(?:n|ension)?[:=]?|[x#])([0-9]{1,7})$", re.IGNORECASE)
_DECIMAL = re.compile(r"\s*[0-9]{9,}(\.0)\s*")
_INVENTED = re.compile(r"(?:444[0-9]{10}|999[0-9]{12}|89[0-9]{13})(?:x[0-9]{1,7})?")


class _Phone(NamedTuple):
    """What a spelling says.

    key: the digits of its key, without the extension. places: where in the text the digits stand
    that are its own: of a British number the national ones, of others all of the key. zero: where
    the bracketed zero stands that does not count; -1 if there is none. is_bare: it begins with
    national digits, without any prefix.
    """

    key: str
    extension: str
    places: list[int]
    zero: int
    is_bare: bool


def masked_phone(mask: Mask, text: str) -> str:
    """An invented phone in the same spelling; equal keys get equal ones, others others."""
    text = _without_decimal(text)
    phone = _read(text)
    key = _masked_key(mask, phone.key)
    spelled = _spelled_as(text, phone, key)
    wanted = _with_extension(key, "x", phone.extension)
    # An odd spelling may say something else with other digits, or have no room for them.
    if len(spelled) <= LONGEST and key_of(spelled) == wanted:
        return spelled
    return _with_extension(f"+{key}", " x", phone.extension)


def key_of(text: str) -> str:
    """The key that ``lead_phone_key_v1`` gives to a text that is a phone."""
    phone = _read(_without_decimal(text))
    return _with_extension(phone.key, "x", phone.extension)


def is_invented(text: str) -> bool:
    """Whether a phone is in a range that only invented ones have."""
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


def _spelled_as(text: str, phone: _Phone, key: str) -> str:
    """A text with another key's digits; what is more of them stands behind the last one."""
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


def _with_extension(number: str, sign: str, extension: str) -> str:
    return f"{number}{sign}{extension}" if extension else number


def _without_decimal(text: str) -> str:
    """A number that a spreadsheet turned into a decimal is that number."""
    decimal = _DECIMAL.fullmatch(text)
    return text[: decimal.start(1)] + text[decimal.end(1) :] if decimal else text


def _read(text: str) -> _Phone:
    places = [place for place, mark in enumerate(text) if not SEPARATORS.match(mark)]
    if _TEL.match(_at(text, places)):
        del places[:4]
    zero = -1
    if bracketed := TRUNK_ZERO.match(_at(text, places)):
        zero = places[bracketed.end(1) + 1]
        del places[bracketed.end(1) : bracketed.end()]
    places = [place for place in places if text[place] not in "()"]
    extension = _EXTENSION.search(_at(text, places))
    if extension:
        del places[extension.start() :]
    key, is_bare = _key(_at(text, places))
    own = len(key.removeprefix("44"))
    return _Phone(key, extension[1] if extension else "", places[-own:], zero, is_bare)


def _key(number: str) -> tuple[str, bool]:
    """The key of a number without separators and extension; whether it has no prefix at all."""
    if number.startswith("0") and not number.startswith("00"):
        return f"44{number[1:]}", False
    if len(number) == BRITISH_DIGITS and number[0] not in "+0":
        return f"44{number}", True
    key = number.removeprefix("+").removeprefix("00")
    return f"44{key[3:]}" if key.startswith("440") else key, False


def _at(text: str, places: list[int]) -> str:
    return "".join(text[place] for place in places)
