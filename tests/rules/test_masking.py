"""Phones and e-mails as a preview shows them."""

import pytest

from migrations.preview.masking import masked


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("phone", "+44 (0)7700-900123", "+•• (•)••••-•••123"),
        ("phone", "07700 900123 ext. 77", "••••• •••••3 ext. 77"),
        ("phone", "n/a", "n/a"),
        ("phone", "", ""),
        ("phone", None, None),
        ("email", "ada@example.org", "a••@•••••••.org"),
        ("email", "ada@localhost", "a••@•••••••••"),
        ("email", "ada", "a••"),
        ("email", "@", "@"),
        ("notes", "Call 07700 900123, or <ada@x.co.uk>", "Call ••••• •••123, or <a••@••••.uk>"),
        ("notes", "On 2024-05-12, 3 times, £1,250", "On 2024-05-12, 3 times, £1,250"),
        (
            "notes",
            "Call 07700–900–123 or 07700\u2011900123",
            "Call •••••–•••–123 or •••••\u2011•••123",
        ),
        ("notes", "cut at 0770 90…", "cut at •••0 90…"),
        (
            "assigned_agent",
            "00000000-1111-2222-3333-000000000002",
            "00000000-1111-2222-3333-000000000002",
        ),
        ("full_name", "Ada 07700900123", "Ada ••••••••123"),
        ("lead_number", "20240000123", "20240000123"),
    ],
)
def test_phones_and_emails_are_masked(field: str, value: str | None, shown: str | None) -> None:
    """Enough stays to tell two of them apart."""
    assert masked(field, value) == shown
