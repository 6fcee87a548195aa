"""Measure each way at the same work, as a multiple of both limits in the same round."""

import os
import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from sqlalchemy import URL

from benchmarks.process import Failed, Measured, measured
from benchmarks.report import Bar, Spread, chart, section, table, write
from benchmarks.server import Server, Written, written
from benchmarks.ways import (
    LIMIT,
    OURS,
    PEERS,
    PLAIN_LIMIT,
    Unavailable,
    Way,
    install_peers,
    version_of,
)
from benchmarks.work import AGAIN, Work, bring_to, digest, prepared, seeded
from tests.support.database import run, shown

__all__ = ["Once", "bench_load", "once", "own_seconds"]

LIMITS = (LIMIT, PLAIN_LIMIT)


@dataclass(frozen=True)
class Once:
    """One run of a way: what the program took, wrote and left.

    again: the next run, with the same export.
    """

    program: Measured
    written: Written
    digest: tuple[int, str]
    again: "Once | None" = None


def bench_load(server: Server, records: int, runs: int, peers: Sequence[str]) -> None:
    load = os.getloadavg()[0]
    if peers:
        install_peers()
    chosen = [PEERS[name] for name in peers]
    smaller = min((way.most for way in chosen if way.most), default=records)
    groups = {records: [way for way in chosen if (way.most or records) >= records]}
    if smaller < records:
        groups[smaller] = [way for way in chosen if way not in groups[records]]
    done = {
        size: _rounds(server, prepared(size), [*LIMITS, OURS, *ways], runs)
        for size, ways in groups.items()
    }

    rows, bars, notes = [], [], []
    for size, (results, left_out) in done.items():
        limits = [[turn.program.seconds for turn in results[limit.name]] for limit in LIMITS]
        notes += [f"{name}: left out, {why}" for name, why in left_out.items()]
        for name, turns in results.items():
            label = _label(name, peers) + (f" ({size:,} records)" if size != records else "")
            for kind, seconds, peak, wal in _lines(name, turns):
                by_key, plain = (
                    Spread(s / base for s, base in zip(seconds, bases, strict=False))
                    for bases in limits
                )
                rows.append(
                    [
                        label + kind,
                        Spread(seconds).shown(),
                        by_key.shown(),
                        plain.shown(),
                        Spread(peak).shown(0),
                        Spread(wal).shown(1),
                    ]
                )
                is_limit = name in [limit.name for limit in LIMITS]
                if not (kind or (is_limit and size != records)):
                    bars.append(
                        Bar(label, plain.median, f"{plain.median:.2f} ×", ours=name == OURS.name)
                    )
    first, _ = done[records]
    bars.sort(key=lambda bar: bar.value)
    title = f"{records:,} records, 30 % known, five indexes: time as a multiple of the plain limit"
    head = ["way", "seconds", "× limit on our key", "× plain limit", "peak memory, MB", "WAL, MB"]
    text = section(
        server,
        title,
        "A limit is what the server needs for clean rows: psql `\\copy` into a temporary "
        "table, then one INSERT … ON CONFLICT. The limit on our key pays for the key, because its "
        "unique index is on the key. The plain limit has this index on the phone's text. That is "
        "cheaper, but knows no spellings. "
        f"Interleaved rounds: {runs} (or one, if no range is given). Medians, with the lowest "
        f"and highest in "
        "brackets. Multiples within a round. Every way is a program of its own and left "
        "the same leads (digest "
        "of all columns of the export, by phone key). Only ours keeps before-images, a ledger "
        "and a transaction per 1000. "
        "Liquibase knows no Unix sockets, so it reaches an embedded server "
        "through a relay.",
        table(head, rows),
        _about_again(first[OURS.name]),
        *notes,
        "![chart](load.svg)",
        load_before=load,
    )
    write("load.md", text)
    write("load.svg", chart(title, bars, server.describe()))
    print(text)


def once(server: Server, work: Work, template: URL, way: Way, *, again: bool = False) -> Once:
    """Let a way do the work on a fresh database."""
    with server.database(template) as url:
        if way.unique:
            run(server.admin, f"ALTER DATABASE {url.database} SET app.skip_audit = 'on'")
        for statement in way.prepare:
            run(url, statement)
        first = _timed(work, url, way.command(work, url, server))
        if not again:
            return first
        return Once(
            first.program, first.written, first.digest, _timed(work, url, bring_to(AGAIN, work))
        )


def _timed(work: Work, url: URL, command: list[str]) -> Once:
    environ = {
        name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "RENDER")
    }
    quiet = {"SLING_DISABLE_TELEMETRY": "true"}
    before = written(url)
    program = measured(
        command, env=environ | quiet | {"DATABASE_URL": shown(url)}, cwd=work.project
    )
    return Once(program, written(url).since(before), digest(url))


def own_seconds(program: Measured) -> float:
    """Return the seconds of the import's revision within ``alembic upgrade``."""
    found = re.search(r"^own work (\S+)$", program.output, re.MULTILINE)
    assert found, program.output
    return float(found[1])


def _rounds(
    server: Server, work: Work, ways: Sequence[Way], runs: int
) -> tuple[dict[str, list[Once]], dict[str, str]]:
    """Let the ways take turns. Returns what each did, and why others were left out."""
    results: dict[str, list[Once]] = {way.name: [] for way in ways}
    failed: dict[str, str] = {}
    with ExitStack() as stack:
        templates = {
            unique: stack.enter_context(seeded(server, work, unique=unique))
            for unique in {way.unique for way in ways}
        }
        for number in range(runs):
            for way in ways if number % 2 == 0 else [*LIMITS, *reversed(ways[len(LIMITS) :])]:
                if way.name in failed or (way.slow and number):
                    continue
                try:
                    turn = once(server, work, templates[way.unique], way, again=way is OURS)
                    expected = results[LIMIT.name][0].digest if results[LIMIT.name] else turn.digest
                    if turn.digest != expected or (turn.again and turn.again.digest != expected):
                        raise Failed(
                            f"it left other leads ({turn.digest[0]} of them) than the limit "
                            f"({expected[0]})"
                        )
                except (Unavailable, Failed) as error:
                    if way in (*LIMITS, OURS):
                        raise
                    print(f"{way.name}: {error}")
                    failed[way.name] = str(error).strip().splitlines()[-1]
                    continue
                results[way.name].append(turn)
                print(
                    f"round {number + 1}, {work.records:,} records, {way.name}: "
                    f"{turn.program.seconds:.2f} s"
                )
    return {name: turns for name, turns in results.items() if name not in failed}, failed


def _lines(name: str, turns: list[Once]) -> list[tuple[str, list[float], list[float], list[float]]]:
    """Return a way's lines for the table: seconds, peak memory in MB, WAL in MB."""

    def line(kind: str, turns: Sequence[Once]) -> tuple[str, list[float], list[float], list[float]]:
        programs = [turn.program for turn in turns]
        return (
            kind,
            [own_seconds(p) if "own work" in kind else p.seconds for p in programs],
            [] if "own work" in kind else [p.peak for p in programs],
            [] if "own work" in kind else [turn.written.wal / 1e6 for turn in turns],
        )

    if name != OURS.name:
        return [line("", turns)]
    again = [turn.again for turn in turns if turn.again]
    return [
        line("", turns),
        line(", the revision's own work", turns),
        line(", the identical export again", again),
        line(", the identical export again, own work", again),
    ]


def _about_again(turns: Sequence[Once]) -> str:
    pairs = [(turn, turn.again) for turn in turns if turn.again]
    whole = Spread(again.program.seconds / first.program.seconds for first, again in pairs)
    own = Spread(own_seconds(again.program) / own_seconds(first.program) for first, again in pairs)
    wal = Spread(again.written.wal / 1e6 for _, again in pairs)
    versions = max(again.written.versions for _, again in pairs)
    return (
        f"The identical export again: {whole.shown()} × the first as a program, {own.shown()} × "
        f"as the revision's own "
        f"work. Row versions of leads: {versions}. WAL: {wal.shown()} MB."
    )


def _label(name: str, peers: Sequence[str]) -> str:
    for peer in peers:
        if PEERS[peer].name == name:
            return f"{name} [{version_of(peer)}]"
    return name
