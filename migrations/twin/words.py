"""Invent names, lanes and notes from our own words. Nobody takes them for a real person's."""

from collections.abc import Iterator
from hashlib import shake_256
from itertools import islice

__all__ = ["address", "name", "text"]

_COLOURS = """
    Amber Ashen Azure Bronze Buff Cerulean Chalky Cobalt Copper Coral Cream Crimson Dappled Dusky
    Ebony Emerald Fawn Flaxen Golden Grey Indigo Inky Ivory Jade Khaki Lemon Lilac Magenta Maroon
    Mauve Mossy Mustard Ochre Pearly Plum Purple Russet Rusty Saffron Sandy Scarlet Sepia Silver
    Slate Smoky Tawny Teal Turquoise
"""
_BIRDS = """
    Avocet Bittern Bluetit Bullfinch Bunting Buzzard Capercaillie Chaffinch Chiffchaff Chough
    Coot Cormorant Corncrake Cuckoo Curlew Dabchick Dipper Dotterel Dove Dunlin Dunnock Eider
    Falcon Fieldfare Firecrest Fulmar Gadwall Gannet Garganey Godwit Goldcrest Goldeneye Goldfinch
    Goosander Goshawk Grebe Greenfinch Greenshank Grouse Guillemot Gull Harrier Hawfinch Heron
    Hobby Hoopoe Jackdaw Kestrel Kingfisher Kite Kittiwake Knot Lapwing Linnet Magpie Mallard
    Merganser Moorhen Nightjar Nuthatch Osprey Ouzel Owl Oystercatcher Partridge Peregrine Petrel
    Phalarope Pintail Pipit Plover Pochard Ptarmigan Puffin Quail Razorbill Redpoll Redshank
    Redstart Redwing Rook Ruff Sanderling Sandpiper Scaup Scoter Shag Shearwater Shelduck Shoveler
    Shrike Siskin Skua Skylark Smew Snipe Sparrow Spoonbill Starling Stint Stonechat Teal Tern
    Thrush Treecreeper Turnstone Twite Wagtail Warbler Waxwing Wheatear Whimbrel Whinchat Widgeon
    Woodcock Woodlark Wryneck Yellowhammer
"""
_FILLERS = """
    about above after again against along also among around as at because before behind below
    beside between beyond both but by down during each either enough even far few first for from
    further here how in inside into less like many more most much near next no nor not of off often
    on once only or other out outside over past per quite rather round same since so some soon still
    such than that then there these this those though through till to together too towards twice
    under until up upon very well what when where which while with within without yet
"""
COLOURS, BIRDS, FILLERS = _COLOURS.split(), _BIRDS.split(), _FILLERS.split()

TAG = 8
"""Letters at the end of a text. They make texts of the same length differ."""
LETTERS = "abcdefghijkmnopqrstuvwxyz2345679"
"""32 characters, easily told apart by eye."""
LINE_ENDS = "\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029"
"""Where ``str.splitlines`` splits."""


def name(number: int) -> str:
    """Make a name of a colour and two birds: *Amber Heron-Finch*."""
    number, first = divmod(number, len(BIRDS))
    number, second = divmod(number, len(BIRDS))
    return f"{COLOURS[number % len(COLOURS)]} {BIRDS[first]}-{BIRDS[second]}"


def address(number: int) -> str:
    """Make an address in an invented lane: *212 Mossy Lapwing Lane*."""
    number, house = divmod(number, 999)
    number, bird = divmod(number, len(BIRDS))
    return f"{house + 1} {COLOURS[number % len(COLOURS)]} {BIRDS[bird]} Lane"


def text(seed: bytes, like: str, longest: int) -> str:
    """Write meaningless words, with the length and the line breaks of ``like``.

    The longest line ends with a tag, to keep texts apart. It grows if it is too short for the tag.
    longest: characters the text may have.
    """
    lines = like.splitlines(keepends=True)
    contents = [line.rstrip(LINE_ENDS) for line in lines]
    stream = iter(shake_256(seed).digest(len(like) + 2 * TAG))
    tagged = max(contents, key=len)
    at = contents.index(tagged)
    tag = _tag(stream, len(tagged))
    written = [_words(stream, len(content)) if content.strip() else "" for content in contents]
    written[at] = f"{written[at][: -len(tag) - 1]} {tag}" if len(tagged) > len(tag) else tag
    ends = [line[len(content) :] for line, content in zip(lines, contents, strict=True)]
    return "".join(map("".join, zip(written, ends, strict=True)))[:longest]


def _tag(stream: Iterator[int], length: int) -> str:
    """Make a tag for a line of this length. If no word fits beside it, it fills the line."""
    size = TAG if length > TAG + 1 else TAG + length // (TAG + 1)
    return "".join(LETTERS[byte % len(LETTERS)] for byte in islice(stream, size))


def _words(stream: Iterator[int], length: int) -> str:
    words = ""
    while len(words) < length:
        words += FILLERS[next(stream) % len(FILLERS)] + " "
    return words[:length]
