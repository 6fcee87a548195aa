"""What an upgrade would do: figures, schema, leads.

``reading.py`` finds it out by reading alone. ``dry_run.py`` rehearses it, and counts the rows of
each table too.
"""

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
"""Leads of a kind to list. A preview says how many more there are."""

MOST_UNTOUCHED = 12
"""Untouched tables to list by name."""

LONGEST_SHOWN = 400
"""Characters of a value to show."""

SPELLED = "phone"
"""The number finds the lead, so an update only changes its spelling."""

Values = dict[str, str | None]
"""A lead's fields, each at most ``LONGEST_SHOWN`` characters."""


@dataclass(frozen=True)
class Figures:
    """What this run did of one import, or of its revert.

    done: records of this run, fewer than ``records`` if an earlier run was stopped.
    counts: the ledger's, of this run: created, updated, …, or restored, kept, ….
    is_invented: whether the export's people are known to be invented.
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
        """Whether the run reverted the import."""
        return "restored" in self.counts


@dataclass(frozen=True)
class TableRows:
    """How many rows the dry run wrote in a table, as Postgres counts them.

    is_leads: whether it is the declared table of leads. is_stamp: whether it is Alembic's.
    """

    table: str
    inserted: int
    updated: int
    deleted: int
    is_leads: bool = False
    is_stamp: bool = False

    @property
    def is_ours(self) -> bool:
        """Whether the table belongs to the import: the ledger or Alembic's stamp."""
        return self.is_stamp or self.table in LEDGER_TABLES

    @property
    def promise(self) -> str:
        """What an import may do to the table."""
        if self.is_leads:
            return "added and updated, never deleted"
        if self.table in LEDGER_TABLES:
            return "the ledger of the import"
        if self.is_stamp:
            return "the revision's stamp"
        return "untouched"

    @property
    def verdict(self) -> str:
        """The result: "kept" or "broken", or "bookkeeping" for the import's own table."""
        if not self.is_kept:
            return "broken"
        return "bookkeeping" if self.is_ours else "kept"

    @property
    def is_kept(self) -> bool:
        """Whether the import did only what it may."""
        if self.is_ours or self.is_leads:
            return not self.deleted
        return not self.is_written

    def __lt__(self, other: "TableRows") -> bool:
        """Sort leads first, then broken promises, the application's tables, and ours."""
        return self._place < other._place

    @property
    def _place(self) -> tuple[bool, bool, bool, str]:
        return not self.is_leads, self.is_kept, self.is_ours, self.table

    @property
    def is_written(self) -> bool:
        """Whether any row was written."""
        return bool(self.inserted or self.updated or self.deleted)


@dataclass(frozen=True)
class CreatedLead:
    """A lead to be created. position: of its record in the export, from 0."""

    values: Values
    position: int = 0


@dataclass(frozen=True)
class ChangedLead:
    """A lead to be updated.

    fields: those that change. ``old`` and ``new`` hold all fields. position: of its record in the
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
        """The fields that change, without the phone."""
        return [name for name in self.fields if name != SPELLED]

    @property
    def is_respelled(self) -> bool:
        """Whether its phone is written differently. The number itself stays the same."""
        return SPELLED in self.fields


@dataclass(frozen=True)
class Preview:
    """Everything known about one run.

    database: with its host and role, as in "crm on db.example.com as deploy".
    leads_table: where the leads are, as declared. tables: rows written by a dry run, or none if
    nothing was written. created, changed: the first ``MOST_LISTED`` leads. ``total_created`` and
    ``total_changed`` count all. problems: why records were rejected, or why an upgrade would write
    nothing. refused: then the name of the export. is_file_wrong: whether its file has the problems,
    or the table has no room for its records. schema: what would be made in the database, such
    as "index leads_phone_key_v1 on leads". lead_numbers: of records with problems, by record, if
    they could be read. refused_file: where a wrong export lies.
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
    is_file_wrong: bool = True
    problems: list[Problem] = field(default_factory=list)
    total_problems: int = 0
    schema: list[str] = field(default_factory=list)
    lead_numbers: dict[int, str] = field(default_factory=dict)
    refused_file: str = ""

    @property
    def deleted(self) -> int:
        """Number of deleted leads. It should be 0."""
        return next((rows.deleted for rows in self.tables if rows.is_leads), 0)

    @property
    def fields(self) -> list[str]:
        """The fields of the leads, in the order of the declaration."""
        created = [lead.values for lead in self.created[:1]]
        changed = [lead.new for lead in self.changed[:1]]
        return list(dict.fromkeys(name for values in [*created, *changed] for name in values))

    @property
    def field_totals(self) -> dict[str, int]:
        """Number of listed leads that change, by field. ``respelled`` counts the phones."""
        counted = Counter(name for lead in self.changed for name in lead.other_fields)
        return {name: counted[name] for name in self.fields if counted[name]}

    @property
    def respelled(self) -> int:
        """Number of listed leads with their phone written differently."""
        return sum(lead.is_respelled for lead in self.changed)

    @property
    def listed_tables(self) -> list[TableRows]:
        """Tables worth a line each."""
        unlisted = self.unlisted_tables
        return [rows for rows in self.tables if rows not in unlisted]

    @property
    def unlisted_tables(self) -> list[TableRows]:
        """The application's untouched tables, if they are many."""
        untouched = [
            rows for rows in self.tables if not (rows.is_written or rows.is_ours or rows.is_leads)
        ]
        return untouched if len(untouched) > MOST_UNTOUCHED else []

    @property
    def is_upgrade(self) -> bool:
        """Whether the run imports. Otherwise it reverts imports, or has nothing to do."""
        return bool(self.refused) or any(not figures.is_revert for figures in self.imports)

    def count(self, outcome: str) -> int:
        """Count the records with an outcome, over all imports."""
        return sum(figures.counts.get(outcome, 0) for figures in self.imports)
