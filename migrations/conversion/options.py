"""What a file's owner may say about it, on the command line or at a question."""

from argparse import ArgumentParser, Namespace
from dataclasses import dataclass, replace

from migrations.conversion.errors import Undecided
from migrations.conversion.look import DAY_FIRST, MONTH_FIRST

__all__ = ["Options", "add_options"]


def add_options(parser: ArgumentParser) -> None:
    """Add the options to a command's parser."""
    group = parser.add_argument_group("for a file in another format than the importer's own")
    group.add_argument("--encoding", metavar="NAME", help="such as cp1252")
    group.add_argument(
        "--field",
        action="append",
        default=[],
        metavar="FIELD=COLUMN[,COLUMN]",
        help='where a field comes from, such as full_name="First Name,Last Name"',
    )
    group.add_argument(
        "--leave-out", action="append", default=[], metavar="COLUMN", help="do not use this one"
    )
    group.add_argument("--timezone", metavar="NAME", help="for times without an offset")
    group.add_argument("--dates", choices=(DAY_FIRST, MONTH_FIRST), help="what 01/02/2026 means")
    group.add_argument("--created-at", metavar="DAY", help="if the file does not say it")


@dataclass(frozen=True)
class Options:
    """The owner's answers, as given.

    field: such as "full_name=First Name,Last Name". created_at: a day, such as "2026-11-26".
    """

    encoding: str | None = None
    field: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    timezone: str | None = None
    dates: str | None = None
    created_at: str | None = None

    @classmethod
    def given(cls, arguments: Namespace) -> "Options":
        """Take the answers from the command line."""
        return cls(
            arguments.encoding,
            tuple(arguments.field),
            tuple(arguments.leave_out),
            arguments.timezone,
            arguments.dates,
            arguments.created_at,
        )

    def answered(self, question: Undecided, answer: str) -> "Options":
        """Add an answer. If it means nothing, the question comes again when it is used."""
        name = question.option.replace("-", "_")
        value = f"{question.prefix}{answer}"
        if name == "field":
            return replace(self, field=(*self.field, value))
        return replace(self, **{name: value})  # type: ignore[arg-type]  # the others are texts
