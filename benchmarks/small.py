"""Measure a deploy of 217 leads, the usual size, beside a deploy with nothing to do."""

import os

from benchmarks.load import own_seconds
from benchmarks.process import measured
from benchmarks.report import Spread, section, table, write
from benchmarks.server import Server
from benchmarks.work import bring_to, prepared, seeded
from tests.support.bundled import IMPORT
from tests.support.database import shown

__all__ = ["bench_small"]


def bench_small(server: Server, runs: int) -> None:
    load = os.getloadavg()[0]
    work = prepared(217)
    own, whole, no_op = [], [], []
    with seeded(server, work) as template:
        for _ in range(runs):
            with server.database(template) as url:
                environ = {**os.environ, "DATABASE_URL": shown(url)}
                first, second = (
                    measured(bring_to(IMPORT, work), env=environ, cwd=work.project)
                    for _ in range(2)
                )
            own.append(own_seconds(first) * 1000)
            whole.append(first.seconds * 1000)
            no_op.append(second.seconds * 1000)
    factor = Spread(one / other for one, other in zip(whole, no_op, strict=True))
    text = section(
        server,
        "217 records, 30 % known: what a deploy takes",
        f"Rounds: {runs}. Medians, with the lowest and highest in brackets.",
        table(
            ["", "ms"],
            [
                ["the revision's own work", Spread(own).shown(0)],
                ["`alembic upgrade` with the import, as a program", Spread(whole).shown(0)],
                ["`alembic upgrade` with nothing to do", Spread(no_op).shown(0)],
            ],
        ),
        f"With the import × with nothing to do: {factor.shown()}.",
        load_before=load,
    )
    write("small.md", text)
    print(text)
