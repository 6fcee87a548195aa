"""One current lead for each phone: its key, the mark of duplicates and the unique index.

Leads that share a phone are all kept; the younger ones are marked as duplicates of the oldest.
"""

from alembic import op

from migrations.importer.v1 import create_phone_key, drop_phone_key

revision = "0002_phone_key"
down_revision = "0001_baseline"


def upgrade() -> None:
    create_phone_key(op.get_context())


def downgrade() -> None:
    drop_phone_key(op.get_context())
