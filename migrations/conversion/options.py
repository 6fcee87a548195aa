"""What the owner of a file may say of it: on the command line, or at a question."""

from argparse import ArgumentParser, Namespace
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from migrations.conversion.encodings import known_encoding
from migrations.conversion.errors import Undecided
from migrations.conversion.look import DAY_FIRST, MONTH_FIRST
from migrations.conversion.moments import zone

__all__ = ["Options", "add_options"]


def add_options(parser: ArgumentParser) -> None:
    """Add the options to a command's parser."""
    group = parser.add_argument_group("of a file in another format than the importer's own")
    group.add_argument("--encoding", metavar="NAME", help="such as cp1252")
    group.add_argument(
        "--field",
        action="append",
        default=[],
        metavar="FIELD=COLUMN[,COLUMN]",
        help='where a field comes from, such as full_name="First Name,Last Name"',
    )
    group.add_argument(
        "--leave-out", action="append", default=[], metavar="COLUMN", help="use this for no field"
    )
    group.add_argument("--timezone", metavar="NAME", help="of times without an offset")
    group.add_argument("--dates", choices=(DAY_FIRST, MONTH_FIRST), help="what 01/02/2026 means")
    group.add_argument("--created-at", metavar="DAY", help="of leads whose file does not say it")


@dataclass(frozen=True)
class Options:
    """What was said, as it was said.

    field: such as "full_name=First Name,Last Name"; created_at: a day, such as "2026-11-26".
    """

    encoding: str | None = None
    field: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    timezone: str | None = None
    dates: str | None = None
    created_at: str | None = None

    @classmethod
    def given(cls, arguments: Namespace) -> "Options":
        """Take what the command line says. Raises ``Undecided`` if that means nothing."""
        options = cls(
            arguments.encoding,
            tuple(arguments.field),
            tuple(arguments.leave_out),
            arguments.timezone,
            arguments.dates,
            arguments.created_at,
        )
        options.check()
        return options

    def answered(self, question: Undecided, answer: str) -> "Options":
        """Add an answer. Raises ``Undecided`` if it means nothing."""
        name = question.option.replace("-", "_")
        value: Any = f"{question.prefix}{answer}"
        if name == "field":
            value = (*self.field, value)
        answered = replace(self, **{name: value})
        answered.check()
        return answered

    def or_else(self, encoding: str | None, timezone: str | None, dates: str | None) -> "Options":
        """Add what was said before, where nothing is said now."""
        return replace(
            self,
            encoding=self.encoding or encoding,
            timezone=self.timezone or timezone,
            dates=self.dates or dates,
        )

    def check(self) -> None:
        """Raise ``Undecided`` for an encoding, a zone or a day that there is not."""
        if self.encoding:
            known_encoding(self.encoding)
        if self.timezone:
            zone(self.timezone)
        if self.dates not in (None, DAY_FIRST, MONTH_FIRST):
            raise Undecided("dates", "Expected day-first or month-first.", DAY_FIRST)
        if self.created_at:
            _day(self.created_at)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        question = "A day is written year-month-day."
        raise Undecided("created-at", question, "2026-11-26") from None
