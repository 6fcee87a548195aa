"""The schema as it is today. The application reads it, and ``alembic check`` compares it.

    from models import Base, Lead

Revisions never import this module. They must always do what they did when they were released, while
the models move on. Only revisions make the database's rules beside the tables, such as the phone
key's function and the audit trigger.
"""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import BigInteger, DateTime, ForeignKey, Identity, Index, Integer, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """Every table of the CRM. Texts are ``text``, and times carry their zone."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text(),
        int: BigInteger(),
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB(),
        list[int]: ARRAY(Integer()),
        list[str]: ARRAY(Text()),
    }


class User(Base):
    """Somebody who logs in. Imports never write it."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    username: Mapped[str] = mapped_column(unique=True)
    email: Mapped[str] = mapped_column(server_default="")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Setting(Base):
    """One setting of the application. Imports never write it."""

    __tablename__ = "settings"

    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]


class Lead(Base):
    """A person to call. Imports find leads by phone, through an index made by a revision."""

    __tablename__ = "leads"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    lead_number: Mapped[str] = mapped_column(server_default="")
    full_name: Mapped[str] = mapped_column(server_default="")
    phone: Mapped[str] = mapped_column(server_default="")
    email: Mapped[str] = mapped_column(server_default="")
    status: Mapped[str] = mapped_column(server_default="")
    address1: Mapped[str] = mapped_column(server_default="")
    postal_code: Mapped[str] = mapped_column(server_default="")
    notes: Mapped[str] = mapped_column(server_default="")
    assigned_agent: Mapped[str] = mapped_column(server_default="")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class LeadAudit(Base):
    """One change of one lead by people or programs. A row trigger on ``leads`` writes it."""

    __tablename__ = "lead_audit"
    __table_args__ = (Index("lead_audit_lead_id", "lead_id"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    lead_id: Mapped[int]
    action: Mapped[str]
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())
    changed_by: Mapped[str] = mapped_column(server_default=text("SESSION_USER"))
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]


class LeadImport(Base):
    """The ledger: one row an import. ``next_record`` is the checkpoint."""

    __tablename__ = "lead_imports"
    __table_args__ = (
        Index(
            "lead_imports_live",
            "revision",
            unique=True,
            postgresql_where=text("reverted_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    revision: Mapped[str]
    export: Mapped[str]
    sha256: Mapped[str]
    records: Mapped[int]
    declaration: Mapped[str]
    policies: Mapped[str]
    next_record: Mapped[int] = mapped_column(server_default="0")
    created: Mapped[int] = mapped_column(server_default="0")
    updated: Mapped[int] = mapped_column(server_default="0")
    unchanged: Mapped[int] = mapped_column(server_default="0")
    rejected: Mapped[int] = mapped_column(server_default="0")
    folded: Mapped[int] = mapped_column(server_default="0")
    shared: Mapped[int] = mapped_column(server_default="0")
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None]
    ran_by: Mapped[str]
    release: Mapped[str]
    revert_next_record: Mapped[int] = mapped_column(server_default="0")
    restored: Mapped[int] = mapped_column(server_default="0")
    kept: Mapped[int] = mapped_column(server_default="0")
    removed: Mapped[int] = mapped_column(server_default="0")
    referenced: Mapped[int] = mapped_column(server_default="0")
    remove_created: Mapped[bool | None]
    reverted_at: Mapped[datetime | None]
    forgotten: Mapped[int] = mapped_column(server_default="0")
    unrestored: Mapped[int] = mapped_column(server_default="0")


class LeadImportBatch(Base):
    """The ledger: one row a batch, written at the end of the batch's own transaction."""

    __tablename__ = "lead_import_batches"

    import_id: Mapped[int] = mapped_column(ForeignKey("lead_imports.id"), primary_key=True)
    first_record: Mapped[int] = mapped_column(primary_key=True)
    next_record: Mapped[int]
    created: Mapped[int]
    updated: Mapped[int]
    unchanged: Mapped[int]
    rejected: Mapped[int]
    folded: Mapped[int]
    created_ids: Mapped[list[str]]
    created_records: Mapped[list[int]]
    written_by: Mapped[int]
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class LeadImportReject(Base):
    """The ledger: a rejected record, without its values. ``record`` is its position, from 0."""

    __tablename__ = "lead_import_rejects"

    import_id: Mapped[int] = mapped_column(ForeignKey("lead_imports.id"), primary_key=True)
    record: Mapped[int] = mapped_column(primary_key=True)
    field: Mapped[str] = mapped_column(primary_key=True)
    reason: Mapped[str] = mapped_column(primary_key=True)


class LeadBeforeImage(Base):
    """The ledger: an updated lead as it was before the import.

    ``record`` is the position of the updating record in the export, from 0. ``old_values`` are the
    columns of the import's declaration, in its order, and the time of the last change.
    ``imported_at`` is the time the import gave the lead. ``seen_by`` is the transaction that had
    written the lead before. ``restored_by`` is the revert's, if only imports have written the lead.
    """

    __tablename__ = "lead_before_images"

    import_id: Mapped[int] = mapped_column(primary_key=True)
    record: Mapped[int] = mapped_column(primary_key=True)
    lead_id: Mapped[str]
    old_values: Mapped[list[str]]
    imported_at: Mapped[datetime]
    seen_by: Mapped[int]
    restored_by: Mapped[int | None]
