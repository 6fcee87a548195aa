"""Make tables and charts of results, with their machine, date and versions."""

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, isnan, log, log10
from statistics import median

from benchmarks.server import ROOT, Server

__all__ = ["Bar", "Spread", "chart", "exponent", "section", "table", "write"]

RESULTS = ROOT / "benchmarks" / "results"


class Spread:
    """Measurements of one thing, shown as "1.52 (1.48-1.60)"."""

    def __init__(self, values: Iterable[float]) -> None:
        self.values = [value for value in values if not isnan(value)]

    @property
    def median(self) -> float:
        return median(self.values)

    def shown(self, digits: int = 2) -> str:
        if not self.values:
            return "-"
        middle, low, high = (
            f"{value:,.{digits}f}" for value in (self.median, min(self.values), max(self.values))
        )
        return middle if len(self.values) == 1 else f"{middle} ({low}\N{EN DASH}{high})"


def exponent(points: Sequence[tuple[float, float]]) -> float:
    """Fit a straight line to the points' logarithms. Returns its slope: 1 is linear, 0 is flat."""
    xs, ys = zip(*[(log(x), log(y)) for x, y in points], strict=True)
    x_mean, y_mean = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - x_mean) ** 2 for x in xs)
    return (
        sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True)) / spread
        if spread
        else float("nan")
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table in Markdown. All columns but the first are numbers."""
    rules = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rules, *rows)) + "\n"


def section(server: Server, title: str, *paragraphs: str, load_before: float) -> str:
    """Return a whole results file. load_before: the machine's load average before the runs."""
    load = f"load average {load_before:.2f} before, {os.getloadavg()[0]:.2f} after"
    return (
        "\n\n".join(
            [
                f"# {title}",
                f"{time.strftime('%Y-%m-%d')}. {server.describe()}; {load}.",
                *(p.strip() for p in paragraphs),
            ]
        )
        + "\n"
    )


def write(name: str, content: str) -> None:
    """Write a file into the results' folder."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / name).write_text(content, encoding="utf-8")


@dataclass(frozen=True)
class Bar:
    """One line of a chart. Ours is coloured."""

    label: str
    value: float
    shown: str
    ours: bool = False


_STYLE = """
    text { font: 13px system-ui, sans-serif; fill: #1f2328; }
    .title { font-weight: 600; font-size: 15px; }
    .small { font-size: 11px; fill: #59636e; }
    .grid { stroke: #d1d9e0; }
    .bar { fill: #8c959f; }
    .ours { fill: #1a7f37; }
    @media (prefers-color-scheme: dark) {
        text { fill: #f0f6fc; }
        .small { fill: #9198a1; }
        .grid { stroke: #3d444d; }
        .bar { fill: #6e7681; }
        .ours { fill: #3fb950; }
    }
"""
_WIDTH, _LINE, _TOP = 380, 28, 54


def chart(title: str, bars: Sequence[Bar], foot: str) -> str:
    """Draw bars from 1 on, on a logarithmic scale, as an SVG for light and dark pages."""
    decades = max(1, ceil(log10(max(bar.value for bar in bars))))
    bottom = _TOP + _LINE * len(bars)
    left = 24 + 7 * max(len(bar.label) for bar in bars)

    def place(value: float) -> float:
        return left + _WIDTH * max(0.0, log10(value)) / decades

    parts = [f'<text class="title" x="12" y="24">{escape(title)}</text>']
    for decade in range(decades + 1):
        mark = 10**decade
        x = place(mark)
        parts.append(
            f'<line class="grid" x1="{x:.1f}" y1="{_TOP - 6}" x2="{x:.1f}" y2="{bottom}"/>'
        )
        parts.append(
            f'<text class="small" x="{x:.1f}" y="{_TOP - 10}" text-anchor="middle">{mark:g}</text>'
        )
    for number, bar in enumerate(bars):
        y = _TOP + _LINE * number
        width = max(3.0, place(bar.value) - left)
        kind = "ours" if bar.ours else "bar"
        parts.append(
            f'<text x="{left - 10}" y="{y + 17}" text-anchor="end">{escape(bar.label)}</text>'
        )
        parts.append(
            f'<rect class="{kind}" x="{left}" y="{y + 4}" width="{width:.1f}" height="18" rx="2"/>'
        )
        parts.append(f'<text x="{left + width + 8:.1f}" y="{y + 17}">{escape(bar.shown)}</text>')
    parts.append(f'<text class="small" x="12" y="{bottom + 24}">{escape(foot)}</text>')
    size = f"{left + _WIDTH + 150} {bottom + 38}"
    body = "\n    ".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" role="img" '
        f'aria-label="{escape(title)}">\n'
        f"    <style>{_STYLE}</style>\n    {body}\n</svg>\n"
    )
