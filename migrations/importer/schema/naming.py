"""Tell what a table's columns are for by their names, in the ways of many CRMs and frameworks."""

import re
from collections.abc import Sequence

from msgspec import Struct
from sqlalchemy import Connection

from migrations.importer.column import Found
from migrations.importer.schema.catalog import find_columns

__all__ = [
    "DELETED",
    "DELETED_AT",
    "FIRST_NAMES",
    "LAST_NAMES",
    "NAMES",
    "TOUCHES",
    "USER_NAMES",
    "TableColumn",
    "columns_of_table",
    "first_named",
    "names_a_phone",
    "words_of",
]

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")

_PHONE = {
    *("phone", "phones", "phonenumber", "phonenumbers", "mobile", "mobiles", "cell", "cellphone"),
    *("tel", "telephone", "telefon", "telefono", "telefone", "handy", "msisdn", "whatsapp"),
}
NAMES = {
    "lead_number": ("lead_number", "lead_no", "reference", "lead_ref", "ref"),
    "full_name": (
        *("full_name", "fullname", "customer_name", "contact_name", "lead_name"),
        *("client_name", "name", "display_name"),
    ),
    "phone": (
        *("phone", "phone_number", "phonenumber", "telephone", "mobile", "mobile_phone"),
        *("phone1", "primary_phone", "tel", "cell", "cellphone"),
    ),
    "email": (
        *("email", "email_address", "e_mail", "customer_email", "contact_email", "lead_email"),
        *("client_email", "email_from", "mail", "primary_email"),
    ),
    "status": ("status", "lead_status", "stage", "state_name", "status_id", "stage_id"),
    "address1": (
        *("address1", "address", "address_line1", "address_line_1", "address_line"),
        *("street", "street_address", "address_street", "address_1", "contact_address"),
    ),
    "postal_code": (
        *("postal_code", "postcode", "zip", "zip_code", "post_code", "postalcode", "zipcode"),
        "contact_zip",
    ),
    "notes": ("notes", "note", "description", "comments", "comment", "remarks"),
    "assigned_agent": (
        *("assigned_agent", "assigned_agent_id", "assigned_to", "assigned_to_id"),
        *("assigned_user_id", "agent_id"),
        *("agent", "owner_id", "owner", "user_id", "assigned", "assignee_id", "salesperson_id"),
        "ownerid",
    ),
    "created_at": (
        *("created_at", "created", "create_date", "created_on", "date_created", "date_added"),
        *("created_date", "creation_date", "createdat", "createddate", "date_entered"),
        *("createdate", "inserted_at", "created_time"),
    ),
}
"""Of a field's column, the likeliest first."""
FIRST_NAMES = ("first_name", "firstname", "forename", "given_name", "name_first_name")
LAST_NAMES = ("last_name", "lastname", "surname", "family_name", "name_last_name")
TOUCHES = (
    *("updated_at", "updated", "write_date", "modified_at", "updated_on", "date_updated"),
    *("date_modified", "last_modified", "last_modified_date", "lastmodifieddate"),
    *("modified", "modified_date", "updatedat", "modified_time", "updated_date"),
)
"""Of the time of the last change."""
USER_NAMES = ("username", "user_name", "login", "email", "name", "full_name", "label")
"""Of what a user is called by, or a status."""
DELETED = ("is_deleted", "deleted", "isdeleted", "is_archived", "archived", "fivetran_deleted")
DELETED_AT = ("deleted_at", "deletedat", "archived_at", "discarded_at")


class TableColumn(Struct, frozen=True):
    """A column and its name."""

    name: str
    found: Found

    @property
    def snake(self) -> str:
        """The name as words joined by underscores: nameFirstName is name_first_name."""
        return "_".join(words_of(self.name))


def words_of(name: str) -> list[str]:
    """Return the words of a name in small letters: "mobilePhone" are "mobile" and "phone"."""
    return [word.lower() for word in _WORD.findall(name)]


def names_a_phone(name: str) -> bool:
    """Whether one of a name's words is one for a phone."""
    return not _PHONE.isdisjoint(words_of(name))


def columns_of_table(connection: Connection, table: str) -> list[TableColumn]:
    """Return a table's columns."""
    return [TableColumn(name, found) for name, found in find_columns(connection, table).items()]


def first_named(columns: Sequence[TableColumn], names: Sequence[str]) -> TableColumn | None:
    """Find the column with the likeliest of some names, else one that ends with it.

    Not ``created_by_user_id``: it says who did something, not whose the lead is.
    """
    for name in names:
        for column in columns:
            if column.snake == name:
                return column
    for name in names:
        for column in columns:
            is_alike = "_" in name and column.snake.endswith(f"_{name}")
            if is_alike and "_by_" not in column.snake:
                return column
    return None
