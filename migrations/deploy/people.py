"""Decide which people belong in a database: real ones, or the invented ones of an export's twin.

Set ``LEADS_PEOPLE`` to ``real`` or ``invented``. A preview of a pull request always takes invented
people. A local database does too, unless the variable says otherwise. Real and invented people are
never mixed. The ledger tells who is there, and reverted imports count, because their leads stay.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from migrations.importer.context import People
from migrations.importer.errors import ImportStopped
from migrations.importer.ledger import Receipt, still_there
from migrations.importer.pinned import TWIN_ENDING, Import
from migrations.importer.progress import log

__all__ = [
    "Held",
    "WrongPeople",
    "choose_people",
    "held_by",
    "people_to_import",
    "refuse_preview_of_real_people",
]

PEOPLE = "LEADS_PEOPLE"
BUNDLED = "8f8e3dd8fe99fcfdeec429c2231b9afb22d31d10f1d7e100e805cd320b269778"
"""The digest of this project's first, invented export. Its leads may still be in a database after a
real export has taken its place in the code."""


class WrongPeople(ImportStopped):
    """These people do not belong in this database. Nothing was written."""


class Held(Struct, frozen=True):
    """Who came into a database with one import.

    people: of the export, as far as anybody can tell. is_sure: a twin was imported, or an export
    with a twin. Otherwise nobody has said who they are. revision: the import's. is_reverted: its
    leads stay, and only another import of it knows them.
    """

    export: str
    since: datetime
    people: People
    is_sure: bool
    revision: str = ""
    is_reverted: bool = False


def choose_people(
    environ: Mapping[str, str],
    pending: Sequence[Import],
    held: Iterable[Held] = (),
    *,
    is_local: bool,
) -> People:
    """Decide whether pending imports take their exports or their twins.

    held: who is in the database already. is_local: it is a developer's own. Raises ``WrongPeople``.
    """
    refuse_preview_of_real_people(environ, pending)
    said = _said(environ, pending, is_local=is_local)
    if said == "invented":
        _refuse_without_twin(pending)
    if said == "real":
        _refuse_invented_export(pending)
    for import_ in pending:
        _refuse_mixing(said or _people_in(import_), held, someone_said=said is not None)
    return said or "real"


def refuse_preview_of_real_people(environ: Mapping[str, str], imports: Iterable[Import]) -> None:
    """Refuse an export without a twin in a pull request's preview, before opening the export.

    Raises ``WrongPeople``.
    """
    without = next((import_ for import_ in imports if import_.twin is None), None)
    if without and _is_preview(environ):
        raise WrongPeople(
            f"This is a preview of a pull request, and {without.export} has no twin: real people "
            f"do not belong here. Nothing was written. Run '{_mask(without)}' and commit, or "
            "switch previews off."
        )


def held_by(receipts: Sequence[Receipt], imports: Sequence[Import]) -> list[Held]:
    """Find who is in a database, from its ledger and the code's exports.

    An import reverted to its last lead left nobody. receipts: the oldest first. imports: all of the
    code.
    """
    there = still_there(receipts)
    invented = {import_.sha256 for import_ in imports if import_.is_invented} | {BUNDLED}
    have_twins = {import_.sha256 for import_ in imports if _has_twin(import_)}
    return [
        Held(
            receipt.export,
            receipt.started_at,
            "invented" if _is_twin(receipt) or receipt.sha256 in invented else "real",
            is_sure=_is_twin(receipt) or receipt.sha256 in have_twins,
            revision=receipt.revision,
            is_reverted=receipt.reverted_at is not None,
        )
        for receipt in there
    ]


def people_to_import(
    pending: Sequence[Import],
    receipts: Sequence[Receipt] = (),
    imports: Sequence[Import] = (),
    *,
    is_local: bool,
) -> People:
    """Decide which people this deploy imports, and log if they are invented.

    receipts: the ledger's. imports: all of the code. is_local: the database is a developer's own.
    Raises ``WrongPeople``.
    """
    people = choose_people(os.environ, pending, held_by(receipts, imports), is_local=is_local)
    if people == "invented" and pending:
        names = ", ".join(import_.of(people).export for import_ in pending)
        log.info("Importing invented people: %s.", names)
    return people


def _said(
    environ: Mapping[str, str], pending: Sequence[Import], *, is_local: bool
) -> People | None:
    """Read the environment. None if it says nothing, and no export has a twin of its own."""
    given = environ.get(PEOPLE, "").strip()
    if _is_preview(environ) or given == "invented":
        return "invented"
    if given == "real":
        return "real"
    if given and pending:
        raise WrongPeople(
            f"{PEOPLE}={given}: expected real or invented. Nothing was written. Set it to one of "
            "them."
        )
    if not any(map(_has_twin, pending)):
        return None
    if is_local:
        return "invented"
    raise WrongPeople(
        "Nobody has said which people belong in this database. Nothing was written. Set "
        f"{PEOPLE}=real or {PEOPLE}=invented."
    )


def _refuse_without_twin(pending: Sequence[Import]) -> None:
    for import_ in pending:
        if import_.twin is None:
            raise WrongPeople(
                f"Invented people belong in this database, but {import_.export} has no twin. "
                f"Nothing was written. Run '{_mask(import_)}' and commit, or set {PEOPLE}=real "
                "where real people belong."
            )


def _refuse_invented_export(pending: Sequence[Import]) -> None:
    for import_ in pending:
        if import_.is_invented:
            raise WrongPeople(
                f"{PEOPLE}=real, but the people in {import_.export} are invented. Nothing was "
                f"written. Put the real export in its place (data/README.md), or set "
                f"{PEOPLE}=invented."
            )


def _refuse_mixing(people: People, held: Iterable[Held], *, someone_said: bool) -> None:
    for other in held:
        if other.people != people and (someone_said or other.is_sure):
            raise WrongPeople(
                f"This database holds {other.people} people ({other.export}, "
                f"{other.since:%Y-%m-%d}): {people} ones are not added to them. Nothing was "
                f"written. {_way_out(other)}"
            )


def _way_out(held: Held) -> str:
    if held.people == "real":
        return f"Use another database, or correct {PEOPLE}."
    remove = f"'alembic -x remove-created downgrade {held.revision}-1'"
    if held.is_reverted:
        again = f"'{PEOPLE}=invented alembic upgrade {held.revision}'"
        remove = f"{again}, then {remove}, with the release that imported them"
    return (
        f"Use a new database. Or remove the invented ones first: {remove}. If real ones do not "
        f"belong here, correct {PEOPLE}."
    )


def _people_in(import_: Import) -> People:
    """Guess who is in an export if nobody has said so."""
    return "invented" if import_.is_invented else "real"


def _is_preview(environ: Mapping[str, str]) -> bool:
    """Whether Render says so: https://render.com/docs/environment-variables."""
    return environ.get("IS_PULL_REQUEST") == "true"


def _has_twin(import_: Import) -> bool:
    """Whether there is a twin beside the export. Invented people need none."""
    return import_.twin is not None and not import_.is_invented


def _is_twin(receipt: Receipt) -> bool:
    return receipt.export.endswith(TWIN_ENDING)


def _mask(import_: Import) -> str:
    return f"python -m migrations mask {import_.revision}"
