"""Ask libphonenumber whether a phone could be somebody's."""

from phonenumbers import NumberParseException, is_valid_number, parse

__all__ = ["can_be_called"]


def can_be_called(phone: str) -> bool:
    """Whether this is a valid number, dialled from Britain."""
    try:
        return is_valid_number(parse(phone, "GB"))
    except NumberParseException:
        return False
