"""Measure how time and memory grow with the export's records and with the table's leads."""

import os
from collections import defaultdict
from collections.abc import Sequence

from benchmarks.load import Once, once, own_seconds
from benchmarks.report import Spread, exponent, section, table, write
from benchmarks.server import Server
from benchmarks.ways import OURS
from benchmarks.work import prepared, seeded

__all__ = ["bench_growth"]

RECORDS_INTO_A_GROWING_TABLE = 10_000
LARGE = 10**6
"""From this many records on, one run is enough. It takes long, and noise counts little."""


def bench_growth(server: Server, sizes: Sequence[int], runs: int) -> None:
    load = os.getloadavg()[0]
    by_export: dict[int, list[Once]] = defaultdict(list)
    by_table: dict[int, list[Once]] = defaultdict(list)
    for number in range(runs):
        for size in sizes:
            if number and size >= LARGE:
                continue
            work = prepared(size)
            with seeded(server, work) as template:
                by_export[size].append(once(server, work, template, OURS))
            work = prepared(RECORDS_INTO_A_GROWING_TABLE)
            with seeded(server, work, more=size) as template:
                by_table[size].append(once(server, work, template, OURS))
            print(f"round {number + 1}, {size:,}")
    text = section(
        server,
        "Growth",
        f"Rounds: {runs}, and one from {LARGE:,} on. Medians, with the lowest and highest in "
        f"brackets.",
        "An export of so many records, 30 % of them known, into a table with those 30 %:",
        _table("records", by_export, None),
        f"Exponent of the revision's own work, from 10,000 on: {_exponent(by_export, 10_000)} (1 "
        f"is linear). Over all "
        f"sizes: {_exponent(by_export, 0)}.",
        f"{RECORDS_INTO_A_GROWING_TABLE:,} records into a table with so many other leads:",
        _table("other leads", by_table, RECORDS_INTO_A_GROWING_TABLE),
        f"Exponent of the revision's own work: {_exponent(by_table, 0)} (0 is flat).",
        load_before=load,
    )
    write("growth.md", text)
    print(text)


def _table(what: str, results: dict[int, list[Once]], records: int | None) -> str:
    rows = []
    for size, turns in results.items():
        own = Spread(own_seconds(turn.program) for turn in turns)
        rows.append(
            [
                f"{size:,}",
                Spread(turn.program.seconds for turn in turns).shown(),
                own.shown(3),
                f"{own.median / (records or size) * 1e6:,.1f}",
                Spread(turn.program.peak for turn in turns).shown(0),
            ]
        )
    return table([what, "seconds", "own work, s", "µs a record", "peak memory, MB"], rows)


def _exponent(results: dict[int, list[Once]], smallest: int) -> str:
    points = [
        (size, Spread(own_seconds(turn.program) for turn in turns).median)
        for size, turns in results.items()
        if size >= smallest
    ]
    return f"{exponent(points):.2f}" if len(points) > 1 else "-"
