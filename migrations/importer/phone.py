"""When are two spellings one phone? Only ``lead_phone_key_v1``, in SQL (``sql/``), decides.

    lead_phone_key_v1('07700 900123')        447700900123
    lead_phone_key_v1('+44 (0)7700-900123')  447700900123
    lead_phone_key_v1('07700 900123 ext. 5') 447700900123x5
    lead_phone_key_v1('n/a')                 NULL

A released key never changes: a new answer would corrupt the index it stands in. A new rule is a new
function beside it and a new index.

The region is GB. The digits agree with libphonenumber (https://github.com/google/libphonenumber) on
its example numbers: every region in international spellings, GB in national ones too. A key has at
most fifteen digits (ITU-T E.164) and at least six, the shortest in libphonenumber (Iran). British
numbers and those without a country need nine. Anything shorter is a local number or junk, and has
no key.

It is PL/pgSQL: the same rules as one SQL expression took three times as long, and nobody could
read them. Strings with a backslash are E'…', to mean the same whatever the session's settings.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

__all__ = [
    "BRITISH_DIGITS",
    "KEY_FUNCTION",
    "Spelled",
    "are_phones",
    "key_of",
    "read_spelling",
    "with_extension",
    "without_decimal",
]

KEY_FUNCTION = "lead_phone_key_v1"

SEPARATORS = re.compile(
    r"[ \t\n\v\f\r.\u00a0\u00ad\u2000-\u2015\u202a-\u202f\u205f-\u2069\u2212\u3000\ufeff\[\]-]+"
)
_TEL = re.compile(r"(?<![^\0])tel:", re.IGNORECASE | re.ASCII)
TRUNK_ZERO = re.compile(
    r"""
    (?<![^\0]) (
        (?:\+|00)
        (?: 20|21[1238]|23[1234]|24[39]|25[012456]|26[012345]|27|291|3[123]
          | 35[3589]|37[03457]|38[01235679]|4[013469]|42[13]|508|5[134578]|59[0134568]
          | 6[012346]|686|8[1246]|85[056]|88[06]|9[0123458]|96[123467]|97[01267]|99[456] )
    ) \(0\)
    """,
    re.VERBOSE,
)
"""The calling codes of libphonenumber's regions whose national prefix is 0."""
_PHONES = re.compile(
    r"""
    (?:
        (?: (?:\+|00) (?: 44 (?: 0[0-9]{7,13} | [1-9][0-9]{6,12} ) | (?!44)[1-9][0-9]{5,14} )
          | 0[1-9][0-9]{6,12}
          | [1-9][0-9]{8,14} )
        (?: (?: ;?ext(?:n|ension)?[:=]? | [x#] ) [0-9]{1,7} )?
        \0
    )*+
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)


_TEL_HERE = re.compile(r"tel:", re.IGNORECASE)
_EXTENSION = re.compile(r"(?<=[0-9])(?:;?ext(?:n|ension)?[:=]?|[x#])([0-9]{1,7})$", re.IGNORECASE)
_DECIMAL = re.compile(r"\s*[0-9]{9,}(\.0)\s*")
_MOST_SEPARATORS = str.maketrans("", "", " -()")
_BRITISH = re.compile(r"(?:0|\+44|0044)([1-9][0-9]{9})")

BRITISH_DIGITS = 10
"""Of a national number, without its 0."""


def are_phones(texts: Sequence[str]) -> bool:
    """Whether each text is one phone number, with a key in ``lead_phone_key_v1``.

    This checks an export before it reaches a server. Only the server says which phones are the
    same. A property test holds the two together. All at once is three times as fast as one by one.
    """
    numbers = "\0".join(texts)
    if numbers.count("\0") != len(texts) - 1:
        return False
    numbers = SEPARATORS.sub("", numbers)
    if ":" in numbers:
        numbers = _TEL.sub("", numbers)
    if "(0)" in numbers:
        numbers = TRUNK_ZERO.sub(r"\1", numbers)
    numbers = numbers.replace("(", "").replace(")", "")
    return _PHONES.fullmatch(numbers + "\0") is not None


def key_of(text: str) -> str:
    """Return a phone's key, as ``lead_phone_key_v1`` does."""
    # Of most phones it is found like this, in a tenth of the time.
    if british := _BRITISH.fullmatch(text.translate(_MOST_SEPARATORS)):
        return f"44{british[1]}"
    phone = read_spelling(without_decimal(text))
    return with_extension(phone.key, "x", phone.extension)


class Spelled(NamedTuple):
    """What a spelling says.

    key: the digits of its key, without the extension. places: indexes of the number's own digits in
    the text. For a British number these are the national digits, for others the whole key. zero:
    index of the bracketed zero that does not count, -1 if there is none. is_bare: it begins with
    national digits, without any prefix.
    """

    key: str
    extension: str
    places: list[int]
    zero: int
    is_bare: bool


def with_extension(number: str, sign: str, extension: str) -> str:
    """Append the extension to a number, if there is one."""
    return f"{number}{sign}{extension}" if extension else number


def without_decimal(text: str) -> str:
    """Take off the ``.0`` a spreadsheet has put behind a number."""
    decimal = _DECIMAL.fullmatch(text)
    return text[: decimal.start(1)] + text[decimal.end(1) :] if decimal else text


def read_spelling(text: str) -> Spelled:
    """Read the spelling of a phone."""
    places = [place for place, mark in enumerate(text) if not SEPARATORS.match(mark)]
    if _TEL_HERE.match(_at(text, places)):
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
    return Spelled(key, extension[1] if extension else "", places[-own:], zero, is_bare)


def _key(number: str) -> tuple[str, bool]:
    """Return the key of a number without separators and extension, and whether it has no prefix."""
    if number.startswith("0") and not number.startswith("00"):
        return f"44{number[1:]}", False
    if len(number) == BRITISH_DIGITS and number[0] not in "+0":
        return f"44{number}", True
    key = number.removeprefix("+").removeprefix("00")
    return f"44{key[3:]}" if key.startswith("440") else key, False


def _at(text: str, places: list[int]) -> str:
    return "".join(text[place] for place in places)
