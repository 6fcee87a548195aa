"""What can stop an import. Each message is a fact with its values, then the next action.

No message holds a record's value, or a server's or parser's text around one. It names a problem by
the record's position and the field, a server's refusal by its SQLSTATE.
"""

from collections.abc import Sequence
from typing import NamedTuple

from psycopg2 import Error as DriverError
from psycopg2 import errorcodes
from sqlalchemy.exc import DBAPIError

__all__ = [
    "SHOWN_PROBLEMS",
    "CannotUnseal",
    "DatabaseFailed",
    "DatabaseRefused",
    "ExportRefused",
    "ImportStopped",
    "OvertakenByAnother",
    "Problem",
    "Stopped",
    "TooManyAtOnce",
    "TryAgain",
    "from_database",
]

SHOWN_PROBLEMS = 100
"""How many problems a message lists. A file wrong throughout would fill the deploy log."""

WROTE_ELSEWHERE = "LI001"
WITHOUT_LEAD = "LI002"
OVERTAKEN = "LI003"
UPDATED_TWICE = "LI004"
REFUSED_BY_TABLE = "LI005"
CHANGED_BY_TRIGGER = "LI006"
TAKEN = "LI007"
NO_LEAD = "LI008"
"""The SQLSTATEs of our own assertions (``sql/``). Their messages name tables, no values."""

RETRYABLE = {
    errorcodes.LOCK_NOT_AVAILABLE,
    errorcodes.DEADLOCK_DETECTED,
    errorcodes.SERIALIZATION_FAILURE,
}


class ImportStopped(Exception):
    """The import is not complete. What was committed stays. The message says what to do."""


class Problem(NamedTuple):
    """Something wrong in an export.

    record: position in the export, from 1. 0 for the file as a whole.
    field: the field's name, "" for the whole record.
    reason: what is wrong, without the value.
    """

    record: int
    field: str
    reason: str

    def __str__(self) -> str:
        where = f"record {self.record:,}" if self.record else "file"
        return f"{where}, {self.field}: {self.reason}" if self.field else f"{where}: {self.reason}"


class ExportRefused(ImportStopped):
    """The export does not pass. Nothing was written.

    export: the file's name. problems: the first ones found, in the order of the records. total: how
    many there are. remedy: what to do. is_file_wrong: whether the file itself is wrong, or the
    table has no room for its records.
    """

    def __init__(
        self,
        export: str,
        problems: Sequence[Problem],
        total: int | None = None,
        remedy: str = "Correct the export at its source, then run again.",
        *,
        is_file_wrong: bool = True,
    ) -> None:
        self.is_file_wrong = is_file_wrong
        self.export = export
        self.problems = list(problems)
        self.total = len(self.problems) if total is None else total
        shown = self.problems[:SHOWN_PROBLEMS]
        count = "1 problem" if self.total == 1 else f"{self.total:,} problems"
        lines = [
            f"{export}: {count}. This run has written nothing.",
            *(f"  {problem}" for problem in shown),
        ]
        if self.total > len(shown):
            lines.append(f"  … and {self.total - len(shown):,} more")
        lines.append(remedy)
        super().__init__("\n".join(lines))


class CannotUnseal(ExportRefused):
    """A sealed file does not open, or an export lies where it must not. Nothing was written.

    export: the file's name. fact: what is in the way, a sentence without its full stop. remedy:
    what to do.
    """

    def __init__(self, export: str, fact: str, remedy: str) -> None:
        super().__init__(export, [Problem(0, "", fact)], remedy=remedy)
        self.args = (f"{fact}. Nothing was written. {remedy}",)


class DatabaseRefused(ImportStopped):
    """This import cannot work on the database. Nothing was written."""


class DatabaseFailed(ImportStopped):
    """The server refused a statement or went away. ``sqlstate`` is "" if there is none."""

    def __init__(self, message: str, sqlstate: str = "") -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


class OvertakenByAnother(DatabaseFailed):
    """The checkpoint is not where this process left it: somebody else is at the same import."""


class TooManyAtOnce(DatabaseFailed):
    """A batch fails as a whole. A smaller one may succeed, or show the record to blame.

    alone: what to do if it is one record alone. look_again: try the same batch once more, because
    the site may have been in the way.
    """

    def __init__(
        self, message: str, sqlstate: str = "", *, alone: str, look_again: bool = False
    ) -> None:
        super().__init__(message, sqlstate)
        self.alone = alone
        self.look_again = look_again


class Stopped(ImportStopped):
    """Somebody asked to stop, or the time is over. What was committed stays."""


class TryAgain(DatabaseFailed):
    """The same statements may succeed in a moment: a lock, a deadlock, a lost connection.

    lost: the connection is gone, and with it the deploy lock.
    """

    def __init__(self, message: str, sqlstate: str = "", *, lost: bool = False) -> None:
        super().__init__(message, sqlstate)
        self.lost = lost


def from_database(
    error: DBAPIError | DriverError, doing: str, *, out_of_time: bool = False
) -> DatabaseFailed:
    """Describe a server's refusal without its text, because this may hold a record's values.

    doing: what was going on, such as "records 201 to 400".
    out_of_time: the statement ran as long as it may. The server's SQLSTATE cannot tell a timeout
    from an operator's cancel, and its text is in the server's language.
    """
    driver = error.orig if isinstance(error, DBAPIError) else error
    sqlstate = getattr(driver, "pgcode", None) or ""
    diagnostics = getattr(driver, "diag", None)
    if _is_lost(error, driver, sqlstate):
        return TryAgain(
            f"{doing}: the connection to the server was lost. Run the same command again.",
            lost=True,
        )
    if sqlstate == errorcodes.QUERY_CANCELED and out_of_time:
        return TooManyAtOnce(f"{doing}: a statement ran out of time.", sqlstate, alone=_BUSY)
    if sqlstate in (OVERTAKEN, WROTE_ELSEWHERE, *_NARROWED):
        return _of_ours(sqlstate, doing, diagnostics)
    fact = f"{doing}: {_answer(sqlstate, driver, diagnostics)}."
    if sqlstate in RETRYABLE:
        return TryAgain(f"{fact} Run the same command again.", sqlstate)
    return DatabaseFailed(f"{fact} {_next_action(sqlstate)}", sqlstate)


def _of_ours(sqlstate: str, doing: str, diagnostics: object) -> DatabaseFailed:
    """Describe an error our own functions have raised."""
    if sqlstate == OVERTAKEN:
        return OvertakenByAnother(
            f"{doing}: another process is at the same import. Run the same command again."
        )
    if sqlstate == WROTE_ELSEWHERE:
        wrote = getattr(diagnostics, "message_primary", "")
        return DatabaseFailed(
            f"{doing}: rolled back, because {wrote}. A trigger or rule on leads or the ledger "
            "does this: let it return if current_setting('app.skip_audit', true) = 'on', then run "
            "again.",
            sqlstate,
        )
    fact, alone, look_again = _NARROWED[sqlstate]
    about = _about(diagnostics)
    told = f"{doing}: {fact}{about and f' ({about})'}."
    return TooManyAtOnce(told, sqlstate, alone=alone, look_again=look_again)


def _answer(sqlstate: str, driver: BaseException | None, diagnostics: object) -> str:
    """Describe a server's refusal by its code and the names in it."""
    name = _name_of(sqlstate) if sqlstate in _KNOWN else type(driver).__name__
    about = _about(diagnostics)
    return " ".join(filter(None, ["the server answered", sqlstate, name, about and f"({about})"]))


def _about(diagnostics: object) -> str:
    """List the names in a server's refusal, and the code our function has caught."""
    nouns = (
        (noun, getattr(diagnostics, f"{noun}_name", None))
        for noun in ("table", "column", "constraint")
    )
    names = [f"{noun} {found}" for noun, found in nouns if found]
    code = getattr(diagnostics, "message_detail", None) or ""
    if code in _KNOWN:
        names.append(f"{code} {_name_of(code)}")
    return ", ".join(names)


def _name_of(sqlstate: str) -> str:
    return errorcodes.lookup(sqlstate).lower().replace("_", " ")


def _is_lost(error: DBAPIError | DriverError, driver: BaseException | None, sqlstate: str) -> bool:
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return not sqlstate and getattr(driver, "cursor", None) is not None and _is_closed(driver)


def _is_closed(driver: BaseException | None) -> bool:
    connection = getattr(getattr(driver, "cursor", None), "connection", None)
    return bool(getattr(connection, "closed", 0))


def _next_action(sqlstate: str) -> str:
    return _ACTIONS.get(sqlstate) or _ACTIONS.get(
        sqlstate[:2],
        "What was committed stays. Find the reason in the server's log, then run again.",
    )


_KNOWN = {
    value for name, value in vars(errorcodes).items() if name.isupper() and isinstance(value, str)
}
_BUSY = (
    "It is one record alone, so a smaller batch does not help. See what the server is busy with. "
    "What was committed stays. Run again to continue."
)
_NARROWED = {
    WITHOUT_LEAD: (
        "leads changed while the batch looked at them, or a trigger keeps a row out",
        "What was committed stays. Look which trigger drops rows, then run again.",
        True,
    ),
    UPDATED_TWICE: ("two of them have updated one lead", _BUSY, False),
    REFUSED_BY_TABLE: (
        "the table refuses a row",
        "What was committed stays. Look at that column or rule, or at a trigger, then run again.",
        False,
    ),
    CHANGED_BY_TRIGGER: (
        "a trigger changes what is written, so it was rolled back",
        "What was committed stays. Let the trigger return the row as it is if "
        "current_setting('app.skip_audit', true) = 'on', then run again.",
        False,
    ),
    NO_LEAD: (
        "it would be no lead by only=, and the next import would add it again",
        "What was committed stays. Change the declaration, or a trigger, then run again.",
        True,
    ),
    TAKEN: (
        "another lead has a value that must be unique",
        "What was committed stays. Look at that lead, then run again.",
        True,
    ),
}
"""Errors of our functions whose reason fewer records may show: the fact, what to do about one
record, and whether the site may have been in the way."""
_ACTIONS = {
    errorcodes.QUERY_CANCELED: "Somebody cancelled it. What was committed stays. Run again when "
    "they agree.",
    errorcodes.DISK_FULL: "What was committed stays. Make room on the server's disk, then run "
    "again.",
    errorcodes.INSUFFICIENT_PRIVILEGE: "Grant what is missing to the role of DATABASE_URL, then "
    "run again.",
    errorcodes.READ_ONLY_SQL_TRANSACTION: "Point DATABASE_URL at the primary server, then run "
    "again.",
    "23": "What was committed stays. A value, or the lack of one, breaks that rule: look at the "
    "table's rows, then run again.",
}
