"""The schema as it is today. The application reads it, and ``alembic check`` compares it.

    from models import Base, Lead

Revisions never import this module. They must always do what they did when they were released, while
the models move on. Only revisions make the database's rules beside the tables, such as the phone
key's function and the audit trigger.
"""

from datetime import datetime
from typing import Annotated, Any

from sqlalchemy import BigInteger, DateTime, ForeignKey, Identity, Index, Integer, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Words = Annotated[str, mapped_column(Text())]
Number = Annotated[int, mapped_column(BigInteger())]
Moment = Annotated[datetime, mapped_column(DateTime(timezone=True))]
Json = Annotated[dict[str, Any], mapped_column(JSONB())]
Numbers = Annotated[list[int], mapped_column(ARRAY(Integer()))]
Texts = Annotated[list[str], mapped_column(ARRAY(Text()))]
"""Types of columns. The base has none, so that models of your own keep theirs."""


class Base(DeclarativeBase):
    """Every table of the CRM."""


class User(Base):
    """Somebody who logs in. Imports never write it."""

    __tablename__ = "users"

    id: Mapped[Number] = mapped_column(Identity(), primary_key=True)
    username: Mapped[Words] = mapped_column(unique=True)
    email: Mapped[Words] = mapped_column(server_default="")
    created_at: Mapped[Moment] = mapped_column(server_default=func.now())


class Setting(Base):
    """One setting of the application. Imports never write it."""

    __tablename__ = "settings"

    key: Mapped[Words] = mapped_column(primary_key=True)
    value: Mapped[Words]


class Lead(Base):
    """A person to call. Imports find leads by phone, through an index made by a revision."""

    __tablename__ = "leads"

    id: Mapped[Number] = mapped_column(Identity(), primary_key=True)
    lead_number: Mapped[Words] = mapped_column(server_default="")
    full_name: Mapped[Words] = mapped_column(server_default="")
    phone: Mapped[Words] = mapped_column(server_default="")
    email: Mapped[Words] = mapped_column(server_default="")
    status: Mapped[Words] = mapped_column(server_default="")
    address1: Mapped[Words] = mapped_column(server_default="")
    postal_code: Mapped[Words] = mapped_column(server_default="")
    notes: Mapped[Words] = mapped_column(server_default="")
    assigned_agent: Mapped[Words] = mapped_column(server_default="")
    created_at: Mapped[Moment] = mapped_column(server_default=func.now())
    updated_at: Mapped[Moment] = mapped_column(server_default=func.now())


class LeadAudit(Base):
    """One change of one lead by people or programs. A row trigger on ``leads`` writes it."""

    __tablename__ = "lead_audit"
    __table_args__ = (Index("lead_audit_lead_id", "lead_id"),)

    id: Mapped[Number] = mapped_column(Identity(), primary_key=True)
    lead_id: Mapped[Number]
    action: Mapped[Words]
    changed_at: Mapped[Moment] = mapped_column(server_default=func.now())
    changed_by: Mapped[Words] = mapped_column(server_default=text("SESSION_USER"))
    before: Mapped[Json | None]
    after: Mapped[Json | None]


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

    id: Mapped[Number] = mapped_column(Identity(), primary_key=True)
    revision: Mapped[Words]
    export: Mapped[Words]
    sha256: Mapped[Words]
    records: Mapped[Number]
    declaration: Mapped[Words]
    policies: Mapped[Words]
    next_record: Mapped[Number] = mapped_column(server_default="0")
    created: Mapped[Number] = mapped_column(server_default="0")
    updated: Mapped[Number] = mapped_column(server_default="0")
    unchanged: Mapped[Number] = mapped_column(server_default="0")
    rejected: Mapped[Number] = mapped_column(server_default="0")
    folded: Mapped[Number] = mapped_column(server_default="0")
    shared: Mapped[Number] = mapped_column(server_default="0")
    started_at: Mapped[Moment] = mapped_column(server_default=func.now())
    finished_at: Mapped[Moment | None]
    ran_by: Mapped[Words]
    release: Mapped[Words]
    revert_next_record: Mapped[Number] = mapped_column(server_default="0")
    restored: Mapped[Number] = mapped_column(server_default="0")
    kept: Mapped[Number] = mapped_column(server_default="0")
    removed: Mapped[Number] = mapped_column(server_default="0")
    referenced: Mapped[Number] = mapped_column(server_default="0")
    remove_created: Mapped[bool | None]
    reverted_at: Mapped[Moment | None]
    forgotten: Mapped[Number] = mapped_column(server_default="0")
    unrestored: Mapped[Number] = mapped_column(server_default="0")


class LeadImportBatch(Base):
    """The ledger: one row a batch, written at the end of the batch's own transaction."""

    __tablename__ = "lead_import_batches"

    import_id: Mapped[Number] = mapped_column(ForeignKey("lead_imports.id"), primary_key=True)
    first_record: Mapped[Number] = mapped_column(primary_key=True)
    next_record: Mapped[Number]
    created: Mapped[Number]
    updated: Mapped[Number]
    unchanged: Mapped[Number]
    rejected: Mapped[Number]
    folded: Mapped[Number]
    created_ids: Mapped[Texts]
    created_records: Mapped[Numbers]
    written_by: Mapped[Number]
    started_at: Mapped[Moment] = mapped_column(server_default=func.now())
    finished_at: Mapped[Moment] = mapped_column(server_default=func.clock_timestamp())


class LeadImportReject(Base):
    """The ledger: a rejected record, without its values. ``record`` is its position, from 0."""

    __tablename__ = "lead_import_rejects"

    import_id: Mapped[Number] = mapped_column(ForeignKey("lead_imports.id"), primary_key=True)
    record: Mapped[Number] = mapped_column(primary_key=True)
    field: Mapped[Words] = mapped_column(primary_key=True)
    reason: Mapped[Words] = mapped_column(primary_key=True)


class LeadBeforeImage(Base):
    """The ledger: an updated lead as it was before the import.

    ``record`` is the position of the updating record in the export, from 0. ``old_values`` are the
    columns of the import's declaration, in its order, and the time of the last change.
    ``imported_at`` is the time the import gave the lead. ``seen_by`` is the transaction that had
    written the lead before. ``restored_by`` is the revert's, if only imports have written the lead.
    """

    __tablename__ = "lead_before_images"

    import_id: Mapped[Number] = mapped_column(primary_key=True)
    record: Mapped[Number] = mapped_column(primary_key=True)
    lead_id: Mapped[Words]
    old_values: Mapped[Texts]
    imported_at: Mapped[Moment]
    seen_by: Mapped[Number]
    restored_by: Mapped[Number | None]
