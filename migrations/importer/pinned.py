"""What a revision pins of its import: frozen values, and the export they lead to."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal, get_args

from msgspec import Struct
from msgspec.structs import replace

from migrations.importer.context import People
from migrations.importer.declaration import BadDeclaration, Leads, check_declared
from migrations.importer.erased import WithoutErased, read_erased
from migrations.importer.errors import ExportRefused, Problem
from migrations.importer.export.reading import Export, find_export, open_export
from migrations.importer.staging import Records

__all__ = ["DATA", "TWIN_ENDING", "Import", "invented_in_words", "twin_name", "without_erased"]

DATA = Path(__file__).parents[2] / "data"
TWIN_ENDING = ".masked.json"

Rejected = Literal["stop", "set aside"]
Blanks = Literal["keep", "clear"]

_POLICIES = {"rejected": get_args(Rejected), "blanks": get_args(Blanks)}


class Import(Struct, frozen=True):
    """What one revision imports: frozen values, never computed.

    revision: the revision's id. export: a file's name under ``data/``. sha256: of its bytes, in
    hex. records: how many it holds. leads: where leads live.
    rejected: a record with a problem stops the import before its first write, or is set aside. Then
    ``lead_import_rejects`` keeps its position, field and reason, and the others are imported.
    blanks: an empty field of a record keeps the lead's value, or clears it.
    masked: the sha256 of its twin, the same export with invented people. None if it has no twin,
    ``sha256`` again if its own people are invented.
    """

    revision: str
    export: str
    sha256: str
    records: int
    leads: Leads
    rejected: Rejected = "stop"
    blanks: Blanks = "keep"
    masked: str | None = None

    def __post_init__(self) -> None:
        """Raise ``BadDeclaration`` if the declaration is none, or a policy is unknown."""
        check_declared(self.leads)
        for policy, known in _POLICIES.items():
            if (given := getattr(self, policy)) not in known:
                raise BadDeclaration(
                    f"Revision {self.revision} has {policy}={given!r}, expected "
                    f"{' or '.join(map(repr, known))}. Nothing was written. Change it there and "
                    "try again."
                )

    @property
    def twin(self) -> "Import | None":
        """The same import with invented people. None if there is none."""
        if self.masked is None:
            return None
        if self.is_invented:
            return self
        return replace(self, export=twin_name(self.export), sha256=self.masked)

    def of(self, people: People) -> "Import":
        """Choose this import or its twin. Raises ``ExportRefused`` if it has none."""
        if people == "real":
            return self
        if self.twin is None:
            raise ExportRefused(self.export, [Problem(0, "", "has no twin with invented people")])
        return self.twin

    def as_imported(self, sha256: str) -> "Import":
        """Choose the twin if it has this digest, otherwise this import."""
        return self.twin if self.twin and self.masked == sha256 else self

    @property
    def is_invented(self) -> bool:
        """Whether the people in it are known to be invented."""
        return self.masked == self.sha256

    @property
    def keeps_blanks(self) -> bool:
        """Whether a blank keeps the lead's value."""
        return self.blanks == "keep"

    @property
    def sets_aside(self) -> bool:
        """Whether records with problems are left out instead of stopping the import."""
        return self.rejected == "set aside"

    @property
    def policies(self) -> str:
        """Both policies as the ledger keeps them."""
        return f"rejected={self.rejected}, blanks={self.blanks}"

    @property
    def pinned(self) -> dict[str, object]:
        """What the ledger keeps of it. None of it may change until the import is reverted."""
        return {
            "revision": self.revision,
            "export": self.export,
            "sha256": self.sha256,
            "records": self.records,
            "declaration": self.leads.as_json(),
            "policies": self.policies,
        }

    def open(self) -> AbstractContextManager[Export]:
        """Open the export, to be checked against the pins. Raises ``ExportRefused``."""
        if Path(self.export).name != self.export:
            raise ExportRefused(
                self.export, [Problem(0, "", "is not the name of a file under data/")]
            )
        return open_export(
            find_export(DATA, self.export),
            self.sha256,
            self.records,
            set_aside=self.sets_aside,
            fields=self.leads.fields,
        )


def without_erased(export: Export, people: People) -> Records:
    """Leave out the people of ``data/erased.txt``. An export of invented people has none."""
    erased = read_erased(DATA) if people == "real" else None
    return WithoutErased(export, erased) if erased else export


def twin_name(export: str) -> str:
    """Return the file name of an export's twin: ``october.masked.json``."""
    return f"{Path(export).stem}{TWIN_ENDING}"


def invented_in_words(records: int) -> str:
    """Say how many of an export's leads are invented, at the end of a line about it."""
    return f" Its {records:,} leads are invented: where people must be real, set LEADS_PEOPLE=real."
