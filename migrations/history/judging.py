"""Judge a history: each state an import can be in, each fault with its one remedy."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Any

from msgspec import Struct

from migrations.history.reading import History
from migrations.importer.ledger import Receipt
from migrations.importer.pinned import Import

__all__ = ["PINNED", "Fault", "faults", "faults_after", "stamp_faults", "upgrade_faults"]

PINNED: Mapping[str, Callable[[Import], object]] = {
    "sha256": attrgetter("sha256"),
    "records": attrgetter("records"),
    "policies": attrgetter("policies"),
    "declaration": lambda import_: import_.leads.as_json(),
}
"""What a revision pins: the ledger's column, and where the code keeps the value."""


class Fault(Struct, frozen=True):
    """Something wrong, and what to do about it.

    revision: the import's; "" for the database as a whole.
    stops_upgrade: whether nothing may be imported, or called complete, until it is mended.
    """

    fact: str
    remedy: str
    revision: str = ""
    stops_upgrade: bool = True

    def __str__(self) -> str:
        return f"{self.fact}. {self.remedy}."


def faults(history: History) -> list[Fault]:
    """List what is wrong: with the stamp, with the database as a whole, with each import in order.

    If a fault does not stop an upgrade, the upgrade mends it or has nothing to do with it.
    """
    if history.unknown and not history.receipts:
        return stamp_faults(history)
    return [
        *stamp_faults(history),
        *_schema_faults(history),
        *_ledger_faults(history),
        *(fault for import_ in history.imports for fault in _import_faults(history, import_)),
    ]


def upgrade_faults(history: History) -> list[Fault]:
    """List what stops an upgrade."""
    return [fault for fault in faults(history) if fault.stops_upgrade]


def faults_after(history: History, heads: set[str], upgraded: Iterable[str]) -> list[Fault]:
    """List what is wrong with what a run has done.

    heads: what the database should be stamped with. upgraded: the revisions that should be in.
    """
    if set(history.stamped) != heads:
        stamped, expected = _names(history.stamped), _names(heads)
        fact = f"The database is stamped {stamped}, expected {expected}: the run was not committed"
        return [Fault(fact, "Run the same command again")]
    return [fault for fault in faults(history) if fault.revision in set(upgraded)]


def stamp_faults(history: History) -> list[Fault]:
    """List what is wrong with the stamp: Alembic would find no way from it."""
    if history.unknown:
        return [_stamped_unknown(history)]
    included = frozenset().union(*map(history.before, history.stamped))
    return [_stamped_twice(history, included)] if included.intersection(history.stamped) else []


def _stamped_unknown(history: History) -> Fault:
    back = " and ".join(f"'alembic downgrade {head}'" for head in history.heads)
    if not history.receipts:
        return Fault(
            f"The database is stamped {_names(history.unknown)}, which this release does not know, "
            "and holds no import",
            "If these are revisions of your CRM's own, see 'Beside your own tools' in "
            "docs/your-crm.md. If a newer release was here, deploy that one again",
        )
    return Fault(
        f"The database is stamped {_names(history.unknown)}, which this release does not know: "
        "a newer one has upgraded it, or it was stamped by hand",
        f"Deploy that release again. Or run {back} with its code, then deploy this one",
    )


def _stamped_twice(history: History, included: frozenset[str]) -> Fault:
    last = [revision for revision in history.stamped if revision not in included]
    return Fault(
        f"The database is stamped {_names(history.stamped)}, but one of them comes after the other",
        f"Keep the last one: 'alembic stamp --purge {' '.join(last)}'",
    )


def _schema_faults(history: History) -> Iterator[Fault]:
    if history.missing and any(import_.revision in history.applied for import_ in history.imports):
        lacks = " and ".join(history.missing)
        is_not = "is not" if len(history.missing) == 1 else "are not"
        fact = f"The database is stamped {_names(history.stamped)}, but {lacks} {is_not} there"
        yield Fault(fact, _RUN_THEM, stops_upgrade=False)


def _ledger_faults(history: History) -> Iterator[Fault]:
    known = {step.revision for step in history.steps}
    for receipt in history.live:
        if receipt.revision not in known:
            yield Fault(
                f"The ledger holds an import of {receipt.export} under revision "
                f"{receipt.revision}, which this release does not know",
                "Verify with the release that imported it",
                stops_upgrade=False,
            )


def _import_faults(history: History, import_: Import) -> Iterator[Fault]:
    """Yield what is wrong with an import, at most one thing."""
    receipt = history.receipt_of(import_.revision)
    is_stamped = import_.revision in history.applied
    if receipt is None:
        yield _without_receipt(history, import_) if is_stamped else _pending(import_)
    elif receipt.is_at_its_start:
        yield _stamped_too_early(history, receipt) if is_stamped else _unfinished(receipt)
    elif different := list(_differences(receipt, import_.as_imported(receipt.sha256))):
        yield _another_export(history, receipt, different)
    elif receipt.state == "being reverted":
        at = f"record {receipt.revert_next_record:,} of {receipt.records:,}"
        yield _half_reverted(history, receipt, f"its downgrade has only reached {at}")
    elif receipt.state == "unfinished":
        yield _stamped_too_early(history, receipt) if is_stamped else _unfinished(receipt)
    elif not is_stamped:
        yield _not_stamped(receipt)


def _pending(import_: Import) -> Fault:
    return Fault(
        f"{import_.export} is not imported",
        "Run 'alembic upgrade head'",
        import_.revision,
        stops_upgrade=False,
    )


def _unfinished(receipt: Receipt) -> Fault:
    return Fault(
        f"The import of {receipt.export} stopped at record {receipt.next_record:,} of "
        f"{receipt.records:,}, or is running now",
        "Run 'alembic upgrade head': it continues there",
        receipt.revision,
        stops_upgrade=False,
    )


def _not_stamped(receipt: Receipt) -> Fault:
    return Fault(
        f"{receipt.export} is imported, but the database is not stamped {receipt.revision}",
        "Run 'alembic upgrade head': it adds nothing to a complete import",
        receipt.revision,
        stops_upgrade=False,
    )


def _without_receipt(history: History, import_: Import) -> Fault:
    fact = (
        f"The database is stamped {import_.revision}, but its ledger has no import of "
        f"{import_.export}"
    )
    if history.missing:
        why = "it was stamped without running the revisions"
        return Fault(f"{fact}: {why}", _RUN_THEM, import_.revision)
    if reverted := history.reverted_receipt_of(import_.revision):
        return _half_reverted(history, reverted, "its downgrade is not stamped")
    again = _one_by_one(_import_again(history, import_.revision))
    return Fault(
        f"{fact}: it was stamped by hand, or the ledger was emptied",
        f"Restore the ledger's tables from a backup. Or import the export again, over what was "
        f"edited since: {again}",
        import_.revision,
    )


def _stamped_too_early(history: History, receipt: Receipt) -> Fault:
    return Fault(
        f"The database is stamped {receipt.revision}, but the import of {receipt.export} has only "
        f"reached record {receipt.next_record:,} of {receipt.records:,}: it was stamped by hand",
        f"Import the rest: {_one_by_one(_import_again(history, receipt.revision))}",
        receipt.revision,
    )


def _half_reverted(history: History, receipt: Receipt, fact: str) -> Fault:
    steps = [
        f"alembic stamp {receipt.revision}",
        receipt.downgrade,
        *_upgrade_again(history, receipt.revision),
    ]
    if history.stamped == (receipt.revision,):
        del steps[0]
    return Fault(
        f"{receipt.export}: {fact}",
        f"Finish it, then import again: {_one_by_one(steps)}",
        receipt.revision,
    )


def _another_export(history: History, receipt: Receipt, different: list[str]) -> Fault:
    downgrade = [f"alembic downgrade {_right_before(history, receipt.revision)}"]
    if receipt.revision not in history.applied:
        downgrade.insert(0, f"alembic stamp {receipt.revision}")
    return Fault(
        f"The ledger's import of {receipt.export} is not what revision {receipt.revision} pins: "
        f"{', '.join(different)}",
        "What was imported is never edited: put the old file, its pins and its declaration back. "
        "Add a new export with 'python -m migrations add', and write a new declaration beside the "
        "old one for it. If this one is meant instead, run "
        f"{_one_by_one(downgrade)} with the release that imported the other, and deploy again",
        receipt.revision,
    )


def _differences(receipt: Receipt, import_: Import) -> Iterator[str]:
    for column, pinned in PINNED.items():
        found, expected = getattr(receipt, column), pinned(import_)
        if column == "declaration":
            yield from _different_parts(found, str(expected))
        elif found != expected:
            yield f"{column} found {found}, expected {expected}"


def _different_parts(found: str, expected: str) -> Iterator[str]:
    """Yield where two declarations differ, each with both."""
    there, here = _parts(found), _parts(expected)
    for name in dict.fromkeys([*there, *here]):
        if there.get(name) != here.get(name):
            yield f"declaration of {name} found {there.get(name)}, expected {here.get(name)}"


def _parts(declaration: str) -> dict[str, str]:
    """Take a declaration apart: its table, and where each field goes."""
    parts: dict[str, Any] = json.loads(declaration)
    fields = parts.pop("fields", {})
    return {name: json.dumps(part, ensure_ascii=False) for name, part in (parts | fields).items()}


_RUN_THEM = "Run 'alembic stamp base', then 'alembic upgrade head': it leaves existing leads alone"


def _import_again(history: History, revision: str) -> list[str]:
    return [
        f"alembic stamp {_right_before(history, revision)}",
        *_upgrade_again(history, revision),
    ]


def _right_before(history: History, revision: str) -> str:
    """Name the revision right before another one, as Alembic's commands take it."""
    return " ".join(history.step(revision).parents) or "base"


def _upgrade_again(history: History, revision: str) -> list[str]:
    """Upgrade to a revision, without running the stamped ones above it again."""
    if any(revision in history.before(stamped) for stamped in history.stamped):
        return [f"alembic upgrade {revision}", f"alembic stamp {' '.join(history.stamped)}"]
    return ["alembic upgrade head"]


def _one_by_one(commands: Iterable[str]) -> str:
    return ", then ".join(f"'{command}'" for command in commands)


def _names(revisions: Iterable[str]) -> str:
    return " and ".join(sorted(revisions)) or "with nothing"
