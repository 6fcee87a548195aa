"""Mark the words that change inside a long note.

marked("Call back on Monday, please.", "Call back on Tuesday, please.")
# Call back on [Monday,] please.    Call back on [Tuesday,] please.
"""

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import NamedTuple

__all__ = ["Part", "marked"]

FEWEST_WORDS = 5
"""A shorter text is read at a glance."""

LEAST_ALIKE = 0.3
"""Share of common words. Below it, marks would be a patchwork."""

_WORD = re.compile(r"\s*\S+|\s+$")


class Part(NamedTuple):
    """A piece of a text, and whether the other text lacks it."""

    text: str
    is_marked: bool


def marked(old: str | None, new: str | None) -> tuple[list[Part], list[Part]]:
    """Split both texts into parts, and mark the words found in only one of them.

    Nothing is marked if a text is short, or if the two have little in common.
    """
    words, others = _WORD.findall(old or ""), _WORD.findall(new or "")
    if min(len(words), len(others)) < FEWEST_WORDS:
        return _whole(old), _whole(new)
    matcher = SequenceMatcher(None, words, others, autojunk=False)
    if matcher.ratio() < LEAST_ALIKE:
        return _whole(old), _whole(new)
    left: list[Part] = []
    right: list[Part] = []
    for kind, i, j, k, m in matcher.get_opcodes():
        left += _parts("".join(words[i:j]), is_marked=kind != "equal")
        right += _parts("".join(others[k:m]), is_marked=kind != "equal")
    return left, right


def _parts(text: str, *, is_marked: bool) -> Iterator[Part]:
    """Make parts of a piece of a text, without marking the space before a word."""
    word = text.lstrip() if is_marked else text
    if space := text[: len(text) - len(word)]:
        yield Part(space, is_marked=False)
    if word:
        yield Part(word, is_marked)


def _whole(text: str | None) -> list[Part]:
    return [Part(text, is_marked=False)] if text else []
