"""Measure what the site notices, before, during and after an import.

pgbench runs 200 transactions a second. Each finds a lead by phone, changes its status and writes
down a call, with the audit trail. A latency begins when the transaction is due, not when a
connection is free.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL

from benchmarks.process import measured
from benchmarks.report import Bar, Spread, chart, section, table, write
from benchmarks.server import Server
from benchmarks.ways import LIMIT, OURS, Way
from benchmarks.work import Work, prepared, seeded
from tests.support.database import run, shown

__all__ = ["bench_site"]

RATE = 200
CLIENTS = 20
SECONDS_BESIDE = 10
"""Before the import, and after it."""
WARM_UP = 2

TRANSACTION = """
\\set id random(1, :leads)
SELECT phone FROM leads WHERE id = :id \\gset
BEGIN;
SELECT id AS found FROM leads
WHERE lead_phone_key_v1(phone) = lead_phone_key_v1(:phone) \\gset
UPDATE leads SET status = 'called', updated_at = now() WHERE id = :found;
INSERT INTO calls (lead_id) VALUES (:found);
END;
"""
CALLS = """
    CREATE TABLE calls (
        id bigint GENERATED ALWAYS AS IDENTITY,
        lead_id bigint,
        at timestamptz DEFAULT now()
    )
"""
PHASES = ("before", "during", "after")
NEIGHBOUR_SECONDS = 4
_COMPUTE = "import time\nwhile time.process_time() < {seconds}: pass"
NEIGHBOUR = Way(
    "no import, one core busy",
    lambda *_: [sys.executable, "-c", _COMPUTE.format(seconds=NEIGHBOUR_SECONDS)],
)
"""Shows how much any computing beside the site slows it, without asking the server anything."""


@dataclass(frozen=True)
class Transaction:
    """A transaction of the site.

    due: planned start, in seconds since 1970. latency: milliseconds from there to its end.
    """

    due: float
    latency: float


def bench_site(server: Server, records: int, runs: int) -> None:
    load = os.getloadavg()[0]
    work = prepared(records)
    ways = {
        "ours, a transaction per 1000": OURS,
        "one transaction (the limit's SQL)": LIMIT,
        NEIGHBOUR.name: NEIGHBOUR,
    }
    results: dict[str, list[tuple[float, dict[str, list[float]]]]] = {name: [] for name in ways}
    with ExitStack() as stack:
        templates = {
            way.unique: stack.enter_context(seeded(server, work, unique=way.unique))
            for way in (OURS, LIMIT)
        }
        for template in templates.values():
            run(template, CALLS)
        for _ in range(runs):
            for name, way in ways.items():
                results[name].append(_beside(server, work, templates[way.unique], way))
    rows, bars = [], []
    for name, turns in results.items():
        for phase in PHASES:
            latencies = [phases[phase] for _, phases in turns]
            if not all(latencies):
                rows.append([name, phase, "-", "-", "-", "-", "-"])
                continue
            p50, p99, longest = (
                Spread(percentile(ls, share) for ls in latencies) for share in (0.5, 0.99, 1.0)
            )
            took = Spread(seconds for seconds, _ in turns).shown() if phase == "during" else ""
            count = f"{sum(map(len, latencies)):,}"
            rows.append([name, phase, took, count, p50.shown(1), p99.shown(1), longest.shown(0)])
            bars.append(
                Bar(
                    f"{name}, {phase}", p99.median, f"{p99.median:,.1f} ms", ours=ways[name] is OURS
                )
            )
    title = f"The site at {RATE} transactions a second beside an import of {records:,}"
    text = section(
        server,
        title,
        f"Rounds: {runs}. Medians, with the lowest and highest in brackets. Milliseconds, from "
        f"when each was due.",
        table(["import", "site", "import took, s", "transactions", "p50", "p99", "longest"], rows),
        "![chart](site.svg)",
        load_before=load,
    )
    write("site.md", text)
    write("site.svg", chart(f"{title}: p99, ms", bars, server.describe()))
    print(text)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value not exceeded by ``share`` of all."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def _beside(
    server: Server, work: Work, template: URL, way: Way
) -> tuple[float, dict[str, list[float]]]:
    """Run a way beside the site. Returns its seconds, and the site's latencies, in ms, by phase."""
    with server.database(template) as url, tempfile.TemporaryDirectory() as folder:
        with _site(server, url, Path(folder)):
            time.sleep(WARM_UP + SECONDS_BESIDE)
            environ = {
                **os.environ,
                "DATABASE_URL": shown(url),
                "PGOPTIONS": "-c app.skip_audit=on",
            }
            begun = time.time()
            program = measured(way.command(work, url, server), env=environ, cwd=work.project)
            ended = time.time()
            time.sleep(SECONDS_BESIDE)
        phases: dict[str, list[float]] = {phase: [] for phase in PHASES}
        for transaction in _logged(Path(folder)):
            if begun - SECONDS_BESIDE <= transaction.due:
                phase = PHASES[(transaction.due >= begun) + (transaction.due >= ended)]
                phases[phase].append(transaction.latency)
        return program.seconds, phases


@contextmanager
def _site(server: Server, url: URL, folder: Path) -> Iterator[None]:
    script = folder / "site.sql"
    script.write_text(TRANSACTION, encoding="utf-8")
    leads = run(url, "SELECT count(*) FROM leads")[0][0]
    command = [
        server.program("pgbench"),
        "-n",
        "-M",
        "prepared",
        "-c",
        str(CLIENTS),
        "-j",
        "1",
        "-T",
        "86400",
        "--rate",
        str(RATE),
    ]
    command += [
        "-f",
        str(script),
        "-D",
        f"leads={leads}",
        "-l",
        "--log-prefix",
        str(folder / "log"),
        shown(url),
    ]
    site = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
        if site.poll() is not None:
            raise RuntimeError("pgbench ended early. Run its command by hand to see why.")
        # Disconnected, pgbench still writes the rest of its log. Killed, it would not.
        run(
            server.admin,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = "
            "'pgbench'",
        )
        site.wait(30)
    finally:
        site.kill()
        site.wait()


def _logged(folder: Path) -> Iterator[Transaction]:
    """Read pgbench's logs (https://www.postgresql.org/docs/current/pgbench.html,
    Per-Transaction Logging)."""
    for log in folder.glob("log.*"):
        for line in log.read_text(encoding="utf-8").splitlines():
            _, _, latency, _, seconds, microseconds, *_ = line.split()
            if latency.isdigit():
                end = int(seconds) + int(microseconds) / 1e6
                yield Transaction(end - int(latency) / 1e6, int(latency) / 1e3)
