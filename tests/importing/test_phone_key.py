"""The phone key on a real server agrees with libphonenumber, with ``are_phones`` and with its own
rules."""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from phonenumbers import (
    COUNTRY_CODES_FOR_NON_GEO_REGIONS,
    SUPPORTED_REGIONS,
    PhoneNumber,
    PhoneNumberFormat,
    PhoneNumberType,
    example_number_for_non_geo_entity,
    example_number_for_type,
    format_number,
    format_out_of_country_calling_number,
    national_significant_number,
    parse,
)
from sqlalchemy import Connection, Engine, NullPool, create_engine, text
from sqlalchemy.exc import NotSupportedError

from migrations.importer.phone import KEY_FUNCTION, are_phones
from migrations.importer.sql import statement
from tests.support.postgres import Databases

Keys = Callable[[Sequence[str]], list[str | None]]

MOBILE = "447700900123"
SEPARATORS = [
    *" .-[]\t\n\r\v\f",
    "\u00a0",
    "\u00ad",
    "\u2007",
    "\u2009",
    "\u200b",
    "\u2011",
    "\u2013",
    "\u2014",
]
SEPARATORS += ["\u202a", "\u202c", "\u202f", "\u2066", "\u2212", "\u3000", "\ufeff"]


@pytest.fixture(scope="module")
def server(databases: Databases) -> Iterator[Engine]:
    """Create a database with the function and nothing else."""
    url = databases.create()
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text(statement(KEY_FUNCTION)))
    yield engine
    databases.drop(str(url.database))


@pytest.fixture(scope="module")
def keys(server: Engine) -> Iterator[Keys]:
    """Ask the server for the keys of some phones, in one query."""
    with server.connect() as connection:
        yield partial(keys_of, connection)


def keys_of(connection: Connection, phones: Sequence[str]) -> list[str | None]:
    query = """
        SELECT public.lead_phone_key_v1(phone)
        FROM unnest(CAST(:phones AS text[])) WITH ORDINALITY AS asked (phone, n)
        ORDER BY n
    """
    return list(connection.scalars(text(query), {"phones": list(phones)}))


# Our own rules.


@pytest.mark.parametrize(
    ("phone", "key"),
    [
        ("07700 900123", MOBILE),
        ("07700900123", MOBILE),
        ("07700-900-123", MOBILE),
        ("07700.900.123", MOBILE),
        ("(07700) 900123", MOBILE),
        ("[07700] 900123", MOBILE),
        ("+44 7700 900123", MOBILE),
        ("0044 7700 900123", MOBILE),
        ("+44 (0)7700 900123", MOBILE),
        ("+44 (0) 7700-900123", MOBILE),
        ("0044 (0)7700 900123", MOBILE),
        ("+44 07700 900123", MOBILE),
        ("(+44) (0)7700 900123", MOBILE),
        ("+(44) 7700 900123", MOBILE),
        ("7700900123", MOBILE),
        ("7700 900 123", MOBILE),
        ("447700900123", MOBILE),
        ("tel:+44-7700-900123", MOBILE),
        ("TEL: 07700 900123", MOBILE),
        ("\u202d+44 7700 900123\u202c", MOBILE),
        ("07700\u00a0900\u2011123", MOBILE),
        ("07700\u2009900\u2013123", MOBILE),
        ("  07700 900123\r\n", MOBILE),
        ("07700 900123 x12", f"{MOBILE}x12"),
        ("07700 900123x12", f"{MOBILE}x12"),
        ("07700 900123 X 12", f"{MOBILE}x12"),
        ("07700 900123 ext. 12", f"{MOBILE}x12"),
        ("07700 900123 Ext 12", f"{MOBILE}x12"),
        ("07700 900123 extn 12", f"{MOBILE}x12"),
        ("07700 900123 extension: 12", f"{MOBILE}x12"),
        ("07700 900123 #12", f"{MOBILE}x12"),
        ("07700 900123 (ext 12)", f"{MOBILE}x12"),
        ("(07700 900123) x12", f"{MOBILE}x12"),
        ("7700900123 x12", f"{MOBILE}x12"),
        ("+44 (0)7700 900123 x12", f"{MOBILE}x12"),
        ("tel:+44-7700-900123;ext=12", f"{MOBILE}x12"),
        ("020 7946 0123", "442079460123"),
        ("+1 201-555-0123", "12015550123"),
        ("001 201-555-0123", "12015550123"),
        ("+49 (0)30 123456", "4930123456"),
        ("+39 06 1234 5678", "390612345678"),
        ("+39 (0)6 1234 5678", "390612345678"),
    ],
)
def test_every_usual_spelling_has_the_key_of_its_number(keys: Keys, phone: str, key: str) -> None:
    """Check the rules one by one: separators, prefixes, the trunk zero, ten bare digits,
    extensions."""
    assert keys([phone]) == [key]


@pytest.mark.parametrize(
    "phone",
    [
        *[
            "",
            " ",
            "\u00a0",
            "-",
            "n/a",
            "none",
            "unknown",
            "ask Bob",
            "0",
            "00",
            "+",
            "+44",
            "000000",
            "x12",
        ],
        *[
            "12345",
            "999",
            "01234",
            "+44 1234",
            "0000000000",
            "+0123456789",
            "++447700900123",
            "07700 900123 x",
        ],
        *["07700 900123 / 07700 900124", "07700 900123, 07700 900124", "07700 900123 07700 900124"],
        *[
            "07700 900123 or 07700 900124",
            "07700 900123 x12345678",
            "07700 900123 x1 x2",
            "+44 7700 +900123",
        ],
        *[
            "+1234567890123456",
            "07700x900123y",
            "a07700900123",
            "07700900123a",
            "someone@example.com",
            "٠٧٧٠٠٩٠٠١٢٣",
        ],
    ],
)
def test_junk_has_no_key(keys: Keys, phone: str) -> None:
    """Blanks, words, numbers too short or too long, and two numbers in one field."""
    assert keys([phone]) == [None]
    assert not are_phones([phone])


def test_another_extension_is_another_key(keys: Keys) -> None:
    """People behind one switchboard are not one lead."""
    found = keys(
        [
            "020 7946 0123",
            *(f"020 7946 0123 x{extension}" for extension in (1, 2, 12, "01", 1234567)),
        ]
    )
    assert len(set(found)) == len(found) and None not in found


# libphonenumber's.

LONGEST = 15
"""Digits of a key, from ITU-T E.164."""


def examples() -> Iterator[PhoneNumber]:
    """Yield libphonenumber's example numbers, of every region and type."""
    for region in sorted(SUPPORTED_REGIONS):
        for kind in PhoneNumberType.values():
            if number := example_number_for_type(region, kind):
                yield number
    for code in sorted(COUNTRY_CODES_FOR_NON_GEO_REGIONS):
        if number := example_number_for_non_geo_entity(code):
            yield number


EXAMPLES = list(examples())


def e164(number: PhoneNumber) -> str:
    return format_number(number, PhoneNumberFormat.E164).removeprefix("+")


def dialled_from_britain(number: PhoneNumber) -> str:
    return format_out_of_country_calling_number(number, "GB")


SPELLINGS: dict[str, Callable[[PhoneNumber], str]] = {
    "E164": lambda number: format_number(number, PhoneNumberFormat.E164),
    "INTERNATIONAL": lambda number: format_number(number, PhoneNumberFormat.INTERNATIONAL),
    "RFC3966": lambda number: format_number(number, PhoneNumberFormat.RFC3966),
    "00": lambda number: "00" + e164(number),
    "00, in groups": lambda number: (
        "00" + format_number(number, PhoneNumberFormat.INTERNATIONAL).removeprefix("+")
    ),
    "dialled from Britain": dialled_from_britain,
}


def differences(
    phones: Sequence[str], found: Sequence[str | None], expected: Sequence[str]
) -> list[object]:
    return [
        case
        for case in zip(phones, found, expected, strict=True)
        if case[1] != case[2] or not are_phones([case[0]])
    ]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_agrees_with_libphonenumber_on_every_region(keys: Keys, spelling: str) -> None:
    """In each international spelling, the key of each example number is its E.164 digits."""
    phones = [SPELLINGS[spelling](number) for number in EXAMPLES]
    assert len(phones) > 1000
    assert differences(phones, keys(phones), [e164(number) for number in EXAMPLES]) == []


def test_agrees_with_libphonenumber_on_the_bracketed_zero(keys: Keys) -> None:
    """Drop a trunk prefix and keep a zero of the number itself."""
    expected = {}
    for number in EXAMPLES:
        national = national_significant_number(number)
        phone = f"+{number.country_code} (0){national.removeprefix('0')}"
        expected[phone] = e164(parse(phone, None))
    # In Colombia libphonenumber drops it from some numbers and keeps it in others.
    expected = {phone: key for phone, key in expected.items() if not phone.startswith("+57 ")}
    phones = [phone for phone, key in expected.items() if len(key) <= LONGEST]
    assert len(phones) > 700
    assert differences(phones, keys(phones), [expected[phone] for phone in phones]) == []


def test_agrees_with_libphonenumber_on_national_spellings_in_britain(keys: Keys) -> None:
    """Guernsey, Jersey and the Isle of Man write their numbers as Britain does."""
    british = [number for number in EXAMPLES if number.country_code == 44]
    phones = [format_number(number, PhoneNumberFormat.NATIONAL) for number in british]
    assert len(phones) > 10
    assert differences(phones, keys(phones), [e164(number) for number in british]) == []


@pytest.mark.parametrize(
    ("spelling", "countries"), [("RFC3966", "every country"), ("INTERNATIONAL", "Britain")]
)
def test_agrees_with_libphonenumber_on_extensions(
    keys: Keys, spelling: str, countries: str
) -> None:
    """``;ext=12`` works for every country, but only Britain's word does: others say ``Anexo`` or
    ``int.``."""
    plain = [
        number for number in EXAMPLES if countries == "every country" or number.country_code == 44
    ]
    numbers = [PhoneNumber(extension="12") for _ in plain]
    for number, example in zip(numbers, plain, strict=True):
        number.merge_from(example)
    phones = [SPELLINGS[spelling](number) for number in numbers]
    assert all(phone.endswith("12") for phone in phones)
    assert differences(phones, keys(phones), [f"{e164(number)}x12" for number in plain]) == []


# What holds for every text.

many = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
PARTS = [
    "0",
    "00",
    "+",
    "44",
    "+44",
    "(0)",
    "39",
    "(",
    ")",
    "tel:",
    "x",
    "X",
    "#",
    "ext",
    " ext. ",
    "EXTN",
    ";ext=",
]
PARTS += [
    "extension",
    ";",
    ":",
    "=",
    "/",
    ",",
    "~",
    "e",
    "t",
    "n",
    "é",
    "K",
    "٣",
    "7700900123",
    "12",
    *"123456789",
]
phone_like = st.lists(st.sampled_from(PARTS + SEPARATORS), max_size=14).map("".join)
any_text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
long_number = st.from_regex(r"(\+|00|0|)[0-9]{4,16}( ?x[0-9]{1,8})?", fullmatch=True)


PREFIXES = [
    "",
    "0",
    "00",
    "+",
    "44",
    "+44",
    "0044",
    "+44(0)",
    "+440",
    "0044(0)",
    "+39",
    "+39(0)",
    "+7(0)",
    "+0",
    "++",
]


def test_are_phones_knows_the_shortest_and_the_longest(keys: Keys) -> None:
    """Try each prefix at each length, with and without an extension."""
    numbers = [first + "123456789" * 2 for first in ("", "0", "00", "9")]
    phones = [
        p + n[:size] + x
        for p in PREFIXES
        for n in numbers
        for size in range(20)
        for x in ("", "x5", "ext")
    ]
    assert [(phone, are_phones([phone])) for phone in phones] == [
        (phone, key is not None) for phone, key in zip(phones, keys(phones), strict=True)
    ]


@many
@given(phones=st.lists(phone_like | any_text | long_number, min_size=20, max_size=40))
def test_are_phones_knows_which_texts_have_a_key(keys: Keys, phones: list[str]) -> None:
    """The check of an export accepts exactly the phones the server has a key for."""
    has_key = [key is not None for key in keys(phones)]
    assert [are_phones([phone]) for phone in phones] == has_key
    assert are_phones(phones) == all(has_key)


@many
@given(phones=st.lists(phone_like | long_number, min_size=20, max_size=40))
def test_a_key_is_its_own_international_number(keys: Keys, phones: list[str]) -> None:
    """``+`` before a key gives the same key, so a key says whose number it is."""
    found = [key for key in keys(phones) if key and not key.startswith("440")]
    assert keys([f"+{key}" for key in found]) == found


digits = st.from_regex(r"(\+|00)[1-9][0-9]{9,12}|0[1-9][0-9]{8,9}|[1-9][0-9]{9}", fullmatch=True)
punctuation = st.lists(
    st.tuples(st.integers(0, 20), st.sampled_from(SEPARATORS)), min_size=1, max_size=8
)


def sprinkle(number: str, marks: list[tuple[int, str]]) -> str:
    for place, mark in marks:
        number = number[:place] + mark + number[place:]
    return number


@many
@given(numbers=st.lists(st.tuples(digits, punctuation), min_size=10, max_size=20))
def test_punctuation_does_not_change_a_key(
    keys: Keys, numbers: list[tuple[str, list[tuple[int, str]]]]
) -> None:
    """Spaces, dots, dashes and brackets do not count, in any place or style."""
    plain = keys([number for number, _ in numbers])
    assert keys([sprinkle(number, marks) for number, marks in numbers]) == plain
    assert None not in plain


# The function itself.


def test_the_function_may_stand_in_an_index_and_run_in_parallel(server: Engine) -> None:
    """It is declared IMMUTABLE, STRICT and PARALLEL SAFE."""
    declared = """
        SELECT provolatile, proisstrict, proparallel FROM pg_proc
        WHERE proname = 'lead_phone_key_v1'
    """
    with server.connect() as connection:
        assert connection.execute(text(declared)).all() == [("i", True, "s")]


def test_the_function_calls_nothing_by_a_bare_name() -> None:
    """Otherwise somebody's function, found before the server's own, could change keys under their
    index."""
    body = re.sub(r"--.*|E?'[^']*'", "''", statement(KEY_FUNCTION).partition("BEGIN")[2])
    called = re.findall(r"([\w.]+)\(", body)
    assert len(called) > 10
    assert [name for name in called if not name.startswith("pg_catalog.")] == []


@pytest.mark.parametrize(
    "setting",
    [
        "search_path = ''",
        "standard_conforming_strings = off",
        "backslash_quote = off",
    ],
)
def test_no_setting_of_the_session_changes_a_key(server: Engine, setting: str) -> None:
    """The index calls the function in every session that writes a lead."""
    phones = ["+49 [0] (30)\t123456 ext. 12", "+44\v(0)7700\u00a0900-123", "tel:+39(0)6-1234-5678"]
    with server.connect() as connection:
        try:
            connection.execute(text(f"SET {setting}"))
        except NotSupportedError:
            pytest.skip(f"from Postgres 19 on nobody can set {setting}")
        assert keys_of(connection, phones) == ["49030123456x12", MOBILE, "390612345678"]
