"""Which words of a text change."""

import pytest

from migrations.preview.difference import marked


def shown(old: str | None, new: str | None) -> tuple[str, str]:
    """Return both texts with brackets around marked words."""
    parts = marked(old, new)
    left, right = (
        "".join(f"[{part.text}]" if part.is_marked else part.text for part in side)
        for side in parts
    )
    return left, right


@pytest.mark.parametrize(
    ("old", "new", "left", "right"),
    [
        (
            "Call back on Monday, please.",
            "Call back on Tuesday, please.",
            "Call back on [Monday,] please.",
            "Call back on [Tuesday,] please.",
        ),
        (
            "Asked for a quote by letter",
            "Asked for a quote by letter.\nCalled.",
            "Asked for a quote by [letter]",
            "Asked for a quote by [letter.\nCalled.]",
        ),
        ("one two three four five", "one three four five six", "one [two] three four five", None),
        ("new", "booked", "new", "booked"),
        ("one two three four five", "six seven eight nine ten", "one two three four five", None),
        (None, "one two three four five", "", "one two three four five"),
        ("", "", "", ""),
    ],
)
def test_words_that_only_one_text_has_are_marked(
    old: str | None, new: str, left: str, right: str | None
) -> None:
    """Short texts and texts with little in common have no marks, and no character is lost."""
    seen = shown(old, new)
    assert seen[0] == left
    if right is not None:
        assert seen[1] == right
    assert tuple("".join(part.text for part in side) for side in marked(old, new)) == (
        old or "",
        new,
    )
