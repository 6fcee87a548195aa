"""CRMs as they exist: their tables, and the declaration their owner would complete."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL

from migrations.importer.declaration import E164, Leads, Lookup, New, Values
from tests.support.database import run

__all__ = ["CRMS", "REFUSED", "Crm", "build"]

TABLES = Path(__file__).parent / "tables"
PHONE = "(07700) 900-503"
"""The phone of the bundled export's first record, spelled differently."""


@dataclass(frozen=True)
class Crm:
    """A CRM, named after the file of its tables, and where its leads live."""

    name: str
    leads: Leads


def build(url: URL, name: str) -> None:
    """Make a CRM's tables and rows. One lead has the phone of the export's first record."""
    sql = (TABLES / f"{name}.sql").read_text(encoding="utf-8")
    sql = sql.replace("E164PHONE0", "+447700900503").replace("PHONE0", PHONE)
    run(url, sql.replace(":", "\\:"))


CRMS = [
    Crm(
        "owner",
        Leads(
            "leads_lead",
            lead_number=New("lead_number"),
            full_name="full_name",
            phone="phone",
            email="email",
            status="status",
            address1="address1",
            postal_code="postal_code",
            notes="notes",
            assigned_agent=Lookup(
                "assigned_agent_id",
                "accounts_user",
                by=("username", "first_name"),
                names={"Tom Quillbeck": "tomq", "Siân Ferncott": "sianf"},
                otherwise="tomq",
            ),
            created_at="created_at",
            touch="updated_at",
            new={"is_deleted": "false"},
            only="NOT is_deleted",
        ),
    ),
    Crm(
        "odoo",
        Leads(
            "crm_lead",
            full_name="contact_name",
            phone="phone",
            email="email_from",
            address1="street",
            postal_code="zip",
            notes="description",
            assigned_agent=Lookup(
                "user_id", "res_users", by="login", otherwise="tyler@example.com"
            ),
            created_at="create_date",
            touch="write_date",
            new={"name": "'Enquiry'", "type": "'lead'", "active": "true"},
        ),
    ),
    Crm(
        "chatwoot",
        Leads(
            "contacts",
            full_name="name",
            phone=E164("phone_number"),
            email="email",
            created_at="created_at",
            touch="updated_at",
            new={"account_id": "1"},
        ),
    ),
    Crm(
        "dates",
        Leads(
            "leads_lead",
            full_name="name",
            phone="phone",
            email="email",
            status="status",
            assigned_agent="assigned",
            created_at="date_added",
            new={"company": "''", "source": "'export'"},
        ),
    ),
    Crm(
        "enums",
        Leads(
            "leads",
            full_name="name",
            phone="phone",
            email="email",
            address1="address",
            status=Values("status", {"booked": "POTENCIAL"}, otherwise="NUEVO"),
            notes="notes",
            assigned_agent=Lookup("assigned_to_id", "users", by="full_name", otherwise="Tyler"),
            created_at="created_at",
            touch="updated_at",
            new={"source": "'OTRO'"},
        ),
    ),
    Crm(
        "uuids",
        Leads(
            "leads",
            full_name="customer_name",
            phone="phone",
            email="email",
            status="status",
            notes="notes",
            assigned_agent=Lookup("agent_id", "users", by="email", otherwise="tyler@example.com"),
            created_at="created_at",
            touch="updated_at",
            new={
                "id": "gen_random_uuid()",
                "tenant_id": "'00000000-0000-0000-0000-000000000001'",
                "source": "'export'",
            },
        ),
    ),
    Crm(
        "camel_case",
        Leads(
            "leads",
            full_name=("firstName", "lastName"),
            phone="phoneNumber",
            address1="address",
            postal_code="zip",
            status="status",
            notes="notes",
            created_at="created_at",
            new={"user_id": "'00000000-0000-0000-0000-000000000002'"},
        ),
    ),
]

REFUSED = [
    Crm("tenants", Leads("lead", full_name=("first_name", "last_name"), phone="phone")),
    Crm(
        "composite",
        Leads(
            "workspace_1inv.person",
            full_name=("nameFirstName", "nameLastName"),
            phone="phonesPrimaryPhoneNumber",
        ),
    ),
]
