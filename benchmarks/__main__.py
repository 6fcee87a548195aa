"""Run python -m benchmarks load small growth site. See the package's docstring."""

import argparse

from benchmarks.growth import bench_growth
from benchmarks.load import bench_load
from benchmarks.server import running_server
from benchmarks.site import bench_site
from benchmarks.small import bench_small
from benchmarks.ways import PEERS

PARTS = ("load", "small", "growth", "site")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure the import.")
    parser.add_argument("parts", nargs="+", choices=PARTS)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--peers", default="all", help=f"all, none, or some of {','.join(PEERS)}")
    parser.add_argument(
        "--sizes", default="1000,10000,100000,1000000", help="records for growth, ascending"
    )
    parser.add_argument("--url", help="a server to measure instead of the embedded one")
    options = parser.parse_args()
    peers = {"all": list(PEERS), "none": []}.get(options.peers) or [
        p for p in options.peers.split(",") if p != "none"
    ]
    if unknown := set(peers) - PEERS.keys():
        parser.error(f"no such peers: {', '.join(sorted(unknown))}. Known are {', '.join(PEERS)}.")
    with running_server(options.url) as server:
        if "load" in options.parts:
            bench_load(server, options.records, options.runs, peers)
        if "small" in options.parts:
            bench_small(server, max(options.runs, 5))
        if "growth" in options.parts:
            bench_growth(server, [int(size) for size in options.sizes.split(",")], options.runs)
        if "site" in options.parts:
            bench_site(server, options.records, options.runs)


main()
