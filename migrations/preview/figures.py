"""What an upgrade would do: figures, schema, leads. Found out by reading alone (``reading.py``), or
rehearsed by a dry run (``dry_run.py``), which knows the rows of each table too."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from migrations.importer.errors import Problem
from migrations.importer.sql import LEDGER_TABLES

__all__ = [
    "LONGEST_SHOWN",
    "MOST_LISTED",
    "ChangedLead",
    "CreatedLead",
    "Figures",
    "Preview",
    "TableRows",
    "Values",
]

MOST_LISTED = 10_000
"""Leads of a kind that a preview lists; it says how many more there are."""

MOST_UNTOUCHED = 12
"""Tables that were not written and are listed by name."""

LONGEST_SHOWN = 400
"""Characters of a value that a preview shows."""

SPELLED = "phone"
"""The field of which a lead can only get another spelling: the number says which lead it is."""

Values = dict[str, str | None]
"""A lead's fields, each at most ``LONGEST_SHOWN`` characters."""


@dataclass(frozen=True)
class Figures:
    """What the dry run did of one import, or of its revert.

    done: records of this run, fewer than ``records`` if an earlier one was stopped.
    counts: the ledger's, of this run: created, updated, …, or restored, kept, ….
    is_invented: whether the people in the export are known to be invented.
    """

    revision: str
    export: str
    sha256: str
    records: int
    done: int
    counts: dict[str, int]
    is_invented: bool = False

    @property
    def is_revert(self) -> bool:
        """Whether it reverted the import instead of applying it."""
        return "restored" in self.counts


@dataclass(frozen=True)
class TableRows:
    """How many rows of a table the dry run wrote, as Postgres counts them.

    is_leads: whether it is the declared table of leads.
    """

    table: str
    inserted: int
    updated: int
    deleted: int
    is_leads: bool = False

    @property
    def is_ours(self) -> bool:
        """Whether it is of the import: the ledger, and Alembic's stamp."""
        return self.table in (*LEDGER_TABLES, "alembic_version")

    @property
    def promise(self) -> str:
        """What an import may do to it."""
        if self.is_leads:
            return "added and updated, never deleted"
        if self.table in LEDGER_TABLES:
            return "the ledger of the import"
        if self.table == "alembic_version":
            return "the revision's stamp"
        return "untouched"

    @property
    def verdict(self) -> str:
        """Whether the promise holds, or that it is the import's own table."""
        if not self.is_kept:
            return "broken"
        return "bookkeeping" if self.is_ours else "kept"

    @property
    def is_kept(self) -> bool:
        """Whether it did no more than that."""
        if self.is_ours or self.is_leads:
            return not self.deleted
        return not self.is_written

    def __lt__(self, other: "TableRows") -> bool:
        """Leads first, then what should not have been written, the application's tables, and
        ours."""
        return self._place < other._place

    @property
    def _place(self) -> tuple[bool, bool, bool, str]:
        return not self.is_leads, self.is_kept, self.is_ours, self.table

    @property
    def is_written(self) -> bool:
        """Whether it wrote to it at all."""
        return bool(self.inserted or self.updated or self.deleted)


@dataclass(frozen=True)
class CreatedLead:
    """A lead that would be added. ``position``: its record's, in the export, from 0."""

    values: Values
    position: int = 0


@dataclass(frozen=True)
class ChangedLead:
    """A lead that would be updated.

    fields: those that change; ``old`` and ``new`` hold them all. position: its record's, in the
    export, from 0.
    """

    id: int | str
    lead_number: str
    full_name: str
    fields: list[str]
    old: Values
    new: Values
    position: int = 0

    @property
    def other_fields(self) -> list[str]:
        """The fields that change, but for the phone."""
        return [name for name in self.fields if name != SPELLED]

    @property
    def is_respelled(self) -> bool:
        """Whether its phone is written differently: the number itself is what it was found by."""
        return SPELLED in self.fields


@dataclass(frozen=True)
class Preview:
    """Everything that can be told about the run that it stands for.

    database: with its host and role, as in "crm on db.example.com as deploy".
    leads_table: where the leads are, as declared. tables: the rows that a dry run wrote; none if
    nothing was written. created, changed: the first ``MOST_LISTED`` leads; ``total_created`` and
    ``total_changed`` count all. problems: why records were rejected, or why the export was
    ``refused``: nothing would be written then. schema: what would be made in the database, a line
    each, such as "index leads_phone_key_v1 on leads". lead_numbers: of the records that have
    problems, by record, as far as they could be read. refused_file: where the refused export lies.
    """

    database: str
    taken_at: datetime
    leads_table: str
    leads_before: int
    leads_after: int
    imports: list[Figures] = field(default_factory=list)
    tables: list[TableRows] = field(default_factory=list)
    created: list[CreatedLead] = field(default_factory=list)
    changed: list[ChangedLead] = field(default_factory=list)
    total_created: int = 0
    total_changed: int = 0
    refused: str = ""
    problems: list[Problem] = field(default_factory=list)
    total_problems: int = 0
    schema: list[str] = field(default_factory=list)
    lead_numbers: dict[int, str] = field(default_factory=dict)
    refused_file: str = ""

    @property
    def deleted(self) -> int:
        """Leads that it deleted: none."""
        return next((rows.deleted for rows in self.tables if rows.is_leads), 0)

    @property
    def fields(self) -> list[str]:
        """The fields that its leads have, in the order of the declaration."""
        created = [lead.values for lead in self.created[:1]]
        changed = [lead.new for lead in self.changed[:1]]
        return list(dict.fromkeys(name for values in [*created, *changed] for name in values))

    @property
    def field_totals(self) -> dict[str, int]:
        """How many of the listed leads change in each field; phones are ``respelled``."""
        counted = Counter(name for lead in self.changed for name in lead.other_fields)
        return {name: counted[name] for name in self.fields if counted[name]}

    @property
    def respelled(self) -> int:
        """How many of the listed leads get their phone written differently."""
        return sum(lead.is_respelled for lead in self.changed)

    @property
    def listed_tables(self) -> list[TableRows]:
        """Those that are worth a line each."""
        unlisted = self.unlisted_tables
        return [rows for rows in self.tables if rows not in unlisted]

    @property
    def unlisted_tables(self) -> list[TableRows]:
        """The application's other tables that were not written, where they are many."""
        untouched = [
            rows for rows in self.tables if not (rows.is_written or rows.is_ours or rows.is_leads)
        ]
        return untouched if len(untouched) > MOST_UNTOUCHED else []

    @property
    def is_upgrade(self) -> bool:
        """Whether it imports; otherwise it reverts imports, or there was nothing to do."""
        return bool(self.refused) or any(not figures.is_revert for figures in self.imports)

    def count(self, outcome: str) -> int:
        """How many records, of all imports, came to an outcome."""
        return sum(figures.counts.get(outcome, 0) for figures in self.imports)
