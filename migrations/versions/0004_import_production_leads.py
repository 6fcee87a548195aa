"""Import the bundled export of production leads: add leads, or update those whose phone matches.

README.md says how it goes and what it promises.
"""

from alembic import op

from migrations.crm import LEADS
from migrations.importer.v1 import Import, apply, revert

revision = "0004_import_production_leads"
down_revision = "0003_ledger"

IMPORT = Import(
    revision=revision,
    export="production_leads_export.json",
    sha256="8f8e3dd8fe99fcfdeec429c2231b9afb22d31d10f1d7e100e805cd320b269778",
    records=217,
    leads=LEADS,
    # Its people are invented, so it is its own twin. Delete this line if you put a real export in
    # its place.
    masked="8f8e3dd8fe99fcfdeec429c2231b9afb22d31d10f1d7e100e805cd320b269778",
)


def upgrade() -> None:
    apply(IMPORT, op.get_context())


def downgrade() -> None:
    revert(IMPORT, op.get_context())
