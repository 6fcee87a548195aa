"""Measure every figure of the README that depends on a clock, in one command.

    make bench                                  load, 217 leads, growth
    make bench RECORDS=10000 RUNS=3 PEERS=none  smaller, and without the other tools
    make bench PARTS=load PEERS=sling,dlt       one part, some peers
    make bench SIZES=1000,100000,10000000       growth up to ten million
    make bench-site                             pgbench beside an import, as the site notices it

Runs are interleaved, and only ratios within a round are compared, so a busy machine slows all ways
alike. Every way starts from a copy of one database and must leave the same leads. The server is the
embedded one with fsync on, unless ``URL=postgresql://…`` names another.
"""
