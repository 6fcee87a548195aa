"""Write an invented export of leads. The same options give the same bytes on every machine.

    python data/make_export.py --leads 217 --seed 1 --out data/production_leads_export.json
    python data/make_export.py --leads 1000000 --seed 7 > million.json

The first line made the export beside this script. The second makes a load for a benchmark. Records
are written as they are drawn, so a million need no more memory than ten. The output is a JSON array
in UTF-8, one record a line. Nobody in it exists, and nobody can be reached by it:

* Names, streets, towns and notes are made from the word lists below.
* E-mail addresses are at example.com, .net and .org. RFC 2606 reserves them for examples.
* Postcodes are in ZZ99. UK statistics use this pseudo area if there is no real one.
* The first 20,000 phones come from the twenty ranges of 1,000 Ofcom keeps for drama, most often the
  mobile one ("Telephone numbers for use in TV and radio drama programmes",
  https://www.ofcom.org.uk/phones-and-broadband/phone-numbers/numbers-for-drama).
* Further phones begin with 06. The UK's National Telephone Numbering Plan uses neither 04 nor 06
  (libphonenumber's GB pattern is `[1-357-9]\\d{9}`), and each would hold a thousand million
  numbers. It is 06, because a bare 4412345678 would seem to begin with the country code.

No phone occurs twice in an export, in any spelling.

All chance comes from `random.Random(seed).random()`. Python promises to keep its sequence. If you
change a word list or the order of the draws, every export changes, so give the next one a new file
name.
"""

import argparse
import json
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from typing import BinaryIO, TypeVar

Choice = TypeVar("Choice")
Draw = Callable[[], float]  # random.Random.random: 0.0 <= draw() < 1.0
Number = tuple[str, str]  # area code with its 0, local number as it is usually grouped

FIRST_ID = 3369
NEW_YEAR = datetime(2025, 1, 1)  # in UTC, naive because an aware one is slower to write
SECONDS_FROM_FIRST_TO_LAST = 359 * 24 * 60 * 60
SECONDS_OUT_OF_ORDER = 5 * 24 * 60 * 60

DRAMA_RANGES = (
    *("07700 900###", "01632 960###", "03069 990###", "0808 157 0###", "0909 879 0###"),
    *("0113 496 0###", "0114 496 0###", "0115 496 0###", "0116 496 0###", "0117 496 0###"),
    *("0118 496 0###", "0121 496 0###", "0131 496 0###", "0141 496 0###", "0151 496 0###"),
    *("0161 496 0###", "0191 498 0###", "020 7946 0###", "028 9649 6###", "029 2018 0###"),
)
MOBILE_AREA, MOBILE_WEIGHT = (
    "07700",
    40,
)  # forty times as likely as each other range, until they run out
UNASSIGNED_NUMBERS = 10**9
UNASSIGNED_STRIDE = 3**18  # shares no factor with 10**9, so each number comes once

SPELLINGS: tuple[Callable[[str, str], str], ...] = (
    *[lambda area, local: f"{area} {local}"] * 6,
    *[lambda area, local: f"{area}{local.replace(' ', '')}"] * 4,
    *[lambda area, local: f"+44 {area[1:]} {local}"] * 3,
    *[lambda area, local: f"+44{area[1:]}{local.replace(' ', '')}"] * 3,
    lambda area, local: f"+44 (0){area[1:]} {local}",
    lambda area, local: f"0044 {area[1:]} {local}",
    lambda area, local: f"({area}) {local}",
    lambda area, local: f"{area}-{local.replace(' ', '-')}",
    lambda area, local: f"{area}.{local.replace(' ', '.')}",
    lambda area, local: f"{area[1:]}{local.replace(' ', '')}",  # a spreadsheet ate the 0
)
COMMON_STATUSES = ("new", "contacted", "qualifier_callback")
STATUSES = (*COMMON_STATUSES, *COMMON_STATUSES, "booked", "not_interested")
AGENTS = (*[""] * 5, "Priya Moorhatch", "Tom Quillbeck", "Siân Ferncott")
EMAIL_HOSTS = ("example.com", "example.net", "example.org")
GIVEN = """
    Ada Amara Ben Björn Callum Chloé Dev Elif Femi Grace Hana Ines Ivo Jakub Kezia Leon Łucja
    Mei Nadia Noor Oskar Petra Quentin Renée Rhys Siân Søren Tariq Uma Vera Wilf Yusuf Zoë
"""
STARTS = (
    "Ald Bram Cold Dun Elm Fern Gorse Hazel Ivel Lark Moor Nettle Oaken Pem Quill Rush Thorn Wren"
)
ENDS = "acre beck bourne cott dale fold garth hatch holt leigh mere ridge shaw stead thwaite wick"
ROADS = "Avenue Close Crescent Gardens Lane Mews Road Street Terrace Way"
GIVEN_NAMES = GIVEN.split()
NAMES = [
    start + end for start in STARTS.split() for end in ENDS.split()
]  # of families, streets and towns
STREETS = [f"{name} {road}" for name in NAMES for road in ROADS.split()]
LETTERS = "ABDEFGHJLNPQRSTUWXYZ"  # allowed in the second half of a postcode
POSTCODES = [f"ZZ99 {digit}{one}{two}" for digit in range(10) for one in LETTERS for two in LETTERS]
NOTES = (
    "Called back, no answer.",
    "Left a voicemail \N{EN DASH} try again after 17:30.",
    "Asked for a quote of about £1,250; wants 50% up front.",
    "Prefers e-mail.",
    'Said "not before June".',
    "Met at the Café Zürich stand, très intéressé.",
    "Speaks Japanese (日本語) and English.",
    "Happy to go ahead 👍🏽",
    "Don't ring on Fridays; works nights at the depot.",
    "Budget: €900\N{EN DASH}€1,100, see C:\\quotes\\draft.",
    "Moved house:\told address is out of date.",
    "Referred by a neighbour…",
)
NOTE_BREAKS = (" ", "\n", "\n\n", "\r\n")


def main(argv: Sequence[str] | None = None) -> None:
    """Write the export the command line `argv` asks for."""
    parser = argparse.ArgumentParser(description="Write an invented export of leads.")
    parser.add_argument("--leads", type=whole_number, required=True, help="number of records")
    parser.add_argument(
        "--seed", type=whole_number, required=True, help="another seed makes other leads"
    )
    parser.add_argument("--out", help="file to write (default: standard output)")
    options = parser.parse_args(argv)
    with open(options.out, "wb") if options.out else nullcontext(sys.stdout.buffer) as out:
        write_export(out, options.leads, options.seed)


def whole_number(text: str) -> int:
    """Read a number from 0 on. Signs are refused, because Python seeds -1 and 1 alike."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a whole number. Give digits only, such as 217."
        )
    return int(text)


def write_export(out: BinaryIO, leads: int, seed: int) -> None:
    """Write an export to `out`, as bytes, so line ends and encoding are the same everywhere."""
    encode = json.JSONEncoder(ensure_ascii=False).encode
    separator = "[\n"
    for record in records(leads, seed):
        out.write((separator + encode(record)).encode())
        separator = ",\n"
    out.write(b"\n]\n" if leads else b"[]\n")


def records(leads: int, seed: int) -> Iterator[dict[str, int | str]]:
    """Yield the `leads` records of a seed, in ascending id."""
    draw = random.Random(seed).random
    record_id = FIRST_ID
    digits = max(3, len(str(leads)))
    for position, number in zip(range(leads), numbers(draw), strict=False):
        surname = pick(draw, NAMES)
        spelled = pick(draw, SPELLINGS)
        yield {
            "id": record_id,
            "lead_number": f"MS{str(position + 1).zfill(digits)}",
            "full_name": f"{pick(draw, GIVEN_NAMES)} {surname}",
            "phone": spelled(*number),
            "email": email(draw, surname, record_id),
            "status": pick(draw, STATUSES),
            "address1": address(draw),
            "postal_code": pick(draw, POSTCODES),
            "notes": notes(draw),
            "assigned_agent": pick(draw, AGENTS),
            "created_at": created_at(draw, position, leads),
        }
        record_id += 1 + int(draw() * draw() * 6)


def numbers(draw: Draw) -> Iterator[Number]:
    """Yield distinct phone numbers: the drama ranges in a drawn order, then numbers under 06."""
    areas = [entry.split(" ", 1) for entry in DRAMA_RANGES]
    drama = [(area, f"{local[:-3]}{last:03}") for area, local in areas for last in range(1000)]
    yield from sorted(
        drama, key=lambda number: draw() / (MOBILE_WEIGHT if number[0] == MOBILE_AREA else 1)
    )
    start = int(draw() * UNASSIGNED_NUMBERS)
    for step in range(UNASSIGNED_NUMBERS):
        rest = f"{(start + step * UNASSIGNED_STRIDE) % UNASSIGNED_NUMBERS:09}"
        yield f"06{rest[:3]}", rest[3:]


def email(draw: Draw, surname: str, record_id: int) -> str:
    """Make an address no other record has, or none for two leads in five."""
    return "" if draw() < 0.4 else f"{surname.lower()}.{record_id}@{pick(draw, EMAIL_HOSTS)}"


def address(draw: Draw) -> str:
    """Make a street address, one in six with a flat."""
    flat = f"Flat {1 + int(draw() * 40)}, " if draw() < 1 / 6 else ""
    return f"{flat}{1 + int(draw() * 180)} {pick(draw, STREETS)}, {pick(draw, NAMES)}"


def notes(draw: Draw) -> str:
    """Make free text of up to three sentences. For half of the leads it is empty."""
    if draw() < 0.5:
        return ""
    first, sentences = int(draw() * len(NOTES)), 1 + int(draw() * 3)
    return pick(draw, NOTE_BREAKS).join((NOTES + NOTES)[first : first + sentences])


def created_at(draw: Draw, position: int, leads: int) -> str:
    """Spread the records over 2025 in their order, each up to five days late."""
    seconds = position * SECONDS_FROM_FIRST_TO_LAST // leads + int(draw() * SECONDS_OUT_OF_ORDER)
    return f"{(NEW_YEAR + timedelta(seconds=seconds)).isoformat()}+00:00"


def pick(draw: Draw, choices: Sequence[Choice]) -> Choice:
    """Draw one of the choices. All are equally likely."""
    return choices[int(draw() * len(choices))]


if __name__ == "__main__":
    main()
