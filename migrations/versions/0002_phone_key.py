"""The phone key: its function, and an index on it for the leads."""

from alembic import op

from migrations.crm import LEADS
from migrations.importer.v1 import create_phone_key, drop_phone_key

revision = "0002_phone_key"
down_revision = "0001_baseline"


def upgrade() -> None:
    create_phone_key(op.get_context(), LEADS)


def downgrade() -> None:
    drop_phone_key(op.get_context(), LEADS)
