"""Where leads live in this CRM.

Never edit a released declaration. If the table changes, write a new declaration below the old one.
The next export is imported by the last one.
"""

from migrations.importer.v1 import Leads

__all__ = ["LEADS"]

LEADS = Leads(
    "leads",
    lead_number="lead_number",
    full_name="full_name",
    phone="phone",
    email="email",
    status="status",
    address1="address1",
    postal_code="postal_code",
    notes="notes",
    assigned_agent="assigned_agent",
    created_at="created_at",
    touch="updated_at",
)
