"""Mask phones and e-mails: enough is left to tell two apart, not enough to call or write.

    masked("phone", "+44 7700 900123")             +•• •••• •••123
    masked("email", "ada@example.org")             a••@•••••••.org
    masked("notes", "Call 07700 900123, or Ada")   Call ••••• •••123, or Ada

Every text is masked, because people write numbers into notes.
"""

import re

from migrations.preview.figures import Values

__all__ = ["masked", "masked_values"]

DOT = "•"

_EMAIL = re.compile(r"[^\s@<>,;:\"']+@[^\s@<>,;:\"']*")
_BETWEEN = r"[\s().\u2010-\u2015-]*"
_DATE = r"\b\d{4}-\d\d-\d\d\b"
_UUID = r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"
# Seven or more other digits, or the rest of a number at the end of a shortened text.
_PHONE = re.compile(rf"(?P<plain>{_DATE}|{_UUID})|\d(?:{_BETWEEN}\d){{6,}}|(?:\d{_BETWEEN})+(?=…$)")
_PLAIN = ("lead_number", "status", "postal_code")


def masked(field: str, value: str | None) -> str | None:
    """Mask the phones and e-mails in a field's value."""
    if value is None or field in _PLAIN:
        return value
    if field == "phone":
        return _mask_digits(value)
    if field == "email":
        return _mask_email(value) if "@" in value else _mask_word(value)
    without_emails = _EMAIL.sub(lambda found: _mask_email(found[0]), value)
    return _PHONE.sub(lambda found: found["plain"] or _mask_digits(found[0]), without_emails)


def masked_values(values: Values) -> Values:
    """Mask all fields of a lead."""
    return {field: masked(field, value) for field, value in values.items()}


def _mask_digits(phone: str) -> str:
    last_three = [found.start() for found in re.finditer(r"\d", phone)][-3:]
    shown_from = last_three[0] if last_three else 0
    return re.sub(r"\d", DOT, phone[:shown_from]) + phone[shown_from:]


def _mask_email(email: str) -> str:
    local, domain = email.rsplit("@", 1)
    name, dot, ending = domain.rpartition(".")
    return f"{_mask_word(local)}@{DOT * len(name)}{dot}{ending if dot else DOT * len(ending)}"


def _mask_word(word: str) -> str:
    return word[:1] + DOT * len(word[1:])
