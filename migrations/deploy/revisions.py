"""Help Alembic's own commands: number revisions, choose what autogenerate compares, and explain the
ways back from a merge."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from alembic.autogenerate import RevisionContext
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError, to_tuple

__all__ = ["is_compared", "merges_explained", "next_revision", "ran_without_database"]

LONGEST_REVISION = 32
"""Characters: the width of ``alembic_version.version_num``."""

_NUMBER = re.compile(r"\d{4}(?=_|$)")
"""At the start of our revisions. A merge's id is Alembic's own, and may begin with digits too."""


def next_revision(script: ScriptDirectory, message: str | None) -> str:
    """Name the next revision, as in 0005_add_a_column.

    Its number is one more than the highest on any branch. message: what it is.
    """
    found = [_NUMBER.match(step.revision) for step in script.walk_revisions()]
    number = max((int(match[0]) for match in found if match), default=0) + 1
    words = re.findall(r"[a-z0-9]+", (message or "").lower())
    return "_".join([f"{number:04d}", *words])[:LONGEST_REVISION].rstrip("_")


def ran_without_database(config: Config, options: Mapping[str, Any]) -> bool:
    """Serve the commands that only need files: `alembic revision`, `merge` and `history`.

    Returns True if that was all. A new revision gets its number. options: of the environment's
    context.
    """
    if making := options.get("revision_context"):
        _number(making)
        return not making.command_args["autogenerate"]
    run = options["fn"]
    if run.__name__ == "_display_current_history" and not _asks_for_current(config):
        run((), None)
        return True
    return bool(run.__name__ == "nothing")  # `alembic merge`


def _number(making: RevisionContext) -> None:
    if making.command_args["rev_id"] is None:
        for revision in making.generated_revisions:
            revision.rev_id = next_revision(making.script_directory, revision.message)


def _asks_for_current(config: Config) -> bool:
    """Whether `alembic history` needs the database's stamp."""
    asked = config.cmd_opts
    indicate = getattr(asked, "indicate_current", True)
    return bool(indicate or "current" in (getattr(asked, "rev_range", None) or ""))


def is_compared(_: object, name: str | None, kind: str, reflected: bool, described: object) -> bool:
    """Tell autogenerate and `alembic check` what models.py covers.

    A table unknown to the models is somebody else's, so it is not dropped. The phone key's index
    needs its function, so both belong to the revisions.
    """
    if kind == "table":
        return described is not None or not reflected
    return not (kind == "index" and (name or "").endswith("_phone_key_v1"))


@contextmanager
def merges_explained(script: ScriptDirectory, stamped: tuple[str, ...]) -> Iterator[None]:
    """Say which revisions to choose from if `alembic downgrade -1` meets a merge.

    stamped: what the database is stamped with. Raises ``CommandError``.
    """
    try:
        yield
    except CommandError as error:
        if "Ambiguous walk" not in str(error):
            raise
        raise CommandError(_ways_back_in_words(script, stamped)) from None


def _ways_back_in_words(script: ScriptDirectory, stamped: tuple[str, ...]) -> str:
    steps = script.iterate_revisions(stamped, "base")
    merge = next(step for step in steps if step.is_merge_point)
    ways = to_tuple(merge.down_revision)
    return (
        f"{merge.revision} merges {' and '.join(ways)}, so a number of steps does not say which "
        f"way to go. Nothing was reverted. 'alembic downgrade {ways[0]}' undoes the merge and "
        "what came after it. To go further back, name the revision to go to."
    )
