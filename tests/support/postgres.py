"""The Postgres under the tests: a container, the embedded one, or a server you name.

    pytest                                   a container if Docker and its image are there,
                                             else the embedded one
    pytest --postgres=container              a container, or the run fails
    pytest --postgres=embedded               the wheel's Postgres (migrations/deploy)
    pytest --postgres=postgresql://u:p@h/db  this server, 15 or newer, as a user who may create
                                             databases

TEST_POSTGRES says the same as `--postgres`, and TEST_POSTGRES_IMAGE names an image other than the
official one. A server started here never waits for a disk, and is gone when the run is over,
however the run ends.
"""

from __future__ import annotations

import gc
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from migrations.deploy.local_postgres import running
from tests.support.logs import LOG_ALL, nobody_logged

if TYPE_CHECKING:  # not needed if the tests run on another Postgres
    from testcontainers.community.postgres import PostgresContainer
    from testcontainers.core.docker_client import DockerClient

DEFAULT_IMAGE = "postgres:18-alpine"
MEMORY, ROOM = Path("/dev/shm"), 4 * 2**30
LITTLE_WAL = {"max_wal_size": "256MB"}
ANSWER_SECONDS, PULL_SECONDS, START_SECONDS = 3, 30, 30

REMOVER = """
import sys, time
from docker.errors import NotFound
from testcontainers.core.docker_client import DockerClient
containers = DockerClient().client.containers
print("ready", flush=True)
if not sys.stdin.read(1):
    time.sleep(1)  # its process was killed: Docker may be at making the container
try:
    containers.get(sys.argv[1]).remove(force=True, v=True)
except NotFound:
    pass
"""


class NoPostgresError(Exception):
    """The tests have no Postgres. The message says why and what to do."""


def choose(asked: str | None) -> str:
    """Choose `container`, `embedded` or a URL. Raises NoPostgresError if it cannot be had."""
    if not asked:
        return "embedded" if why_no_container() else "container"
    if asked == "container" and (why := why_no_container()):
        raise NoPostgresError(
            f"No container for the tests: {why}. Start Docker, or use --postgres=embedded."
        )
    if asked not in ("container", "embedded") and not is_url(asked):
        raise NoPostgresError(f"--postgres={asked} is unknown. Use container, embedded or a URL.")
    return asked


def is_url(asked: str | None) -> bool:
    return asked is not None and "://" in asked


def describe(chosen: str) -> str:
    """Return a line for the head of the test report, without a password."""
    name = make_url(chosen).render_as_string() if is_url(chosen) else chosen
    return f"postgres: {name} {image()}" if chosen == "container" else f"postgres: {name}"


def server(chosen: str) -> AbstractContextManager[URL]:
    """Run the chosen server, and give the URL of a user who may create databases."""
    if chosen == "container":
        return container()
    if chosen == "embedded":
        return embedded()
    return nullcontext(make_url(chosen).set(drivername="postgresql+psycopg2"))


@contextmanager
def embedded() -> Iterator[URL]:
    """Run the embedded server, and see at its end that its log shows nobody."""
    place = _fastest_place() / f"tests-postgres-{os.getpid()}-{secrets.token_hex(4)}"
    settings = LITTLE_WAL | LOG_ALL
    with (
        running(place, durable=False, keep=False, database="postgres", settings=settings) as url,
        nobody_logged(place / "log"),
    ):
        yield url


def _fastest_place() -> Path:
    """Choose memory if it has room, because it copies a database in a tenth of the time."""
    has_room = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ROOM
    return MEMORY if has_room and os.access(MEMORY, os.W_OK) else Path(tempfile.gettempdir())


# The container.


def image() -> str:
    return os.environ.get("TEST_POSTGRES_IMAGE") or DEFAULT_IMAGE


def why_no_container() -> str | None:
    """Return why there can be no container, or None if there can. Pulls a missing image."""
    try:
        import testcontainers.community.postgres  # noqa: F401  # only to know that it is there
        from docker.errors import ImageNotFound  # type: ignore[import-untyped]  # it has no types
    except ImportError as error:
        return f"the package {error.name} is not installed"
    if not (docker := _docker()):
        return f"Docker does not answer within {ANSWER_SECONDS} s"
    with closing(docker.client) as client:
        try:
            client.images.get(image())
        except ImageNotFound:
            client.api.timeout = PULL_SECONDS
            return _why_not_pulled(client.images.pull)
    return None


def _docker() -> DockerClient | None:
    """Return Docker, if it answers."""
    from testcontainers.core.docker_client import DockerClient

    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ResourceWarning
        )  # a client that fails leaves its socket open
        with suppress(Exception):  # Docker's errors, and those of requests below it
            return DockerClient(timeout=ANSWER_SECONDS)
        gc.collect()
    return None


def _why_not_pulled(pull: Callable[[str], object]) -> str | None:
    try:
        pull(image())
    except Exception as error:  # as above
        return f"the image {image()} is not there and cannot be pulled ({type(error).__name__})"
    return None


@contextmanager
def container() -> Iterator[URL]:
    """Run a container on a free port with its data in memory, removed when this process ends."""
    from testcontainers.community.postgres import PostgresContainer
    from testcontainers.core.config import testcontainers_config

    class Postgres(PostgresContainer):
        def _connect(self) -> None:
            """Do not wait here, because it would take 120 s to notice a dead container."""

    testcontainers_config.ryuk_disabled = True  # another image to pull; the remover does its work
    name = f"tests-postgres-{os.getpid()}-{secrets.token_hex(4)}"
    options = ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]
    postgres = Postgres(
        image(), username="postgres", password=secrets.token_hex(16), dbname="postgres"
    )
    postgres.with_name(name).with_command(["postgres", *options, "-c", "timezone=UTC"])
    postgres.with_env("PGDATA", "/pgdata").with_tmpfs_mount("/pgdata")
    with _removed_at_the_end(name):
        try:
            postgres.start()
            yield _answering(postgres)
        finally:
            postgres.get_docker_client().client.close()


@contextmanager
def _removed_at_the_end(name: str) -> Iterator[None]:
    """Let a child remove the container at the end, when it reads a byte or we have died."""
    command = [sys.executable, "-c", REMOVER, name]
    pipe = subprocess.PIPE
    child = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, start_new_session=True)
    try:
        assert child.stdout
        child.stdout.readline()
        yield
    finally:
        child.communicate("remove")
    if child.returncode:
        raise NoPostgresError(f"The container {name} may be there still. Run: docker rm -fv {name}")


def _answering(postgres: PostgresContainer) -> URL:
    """Return the container's URL once it answers. Docker's `localhost` is 127.0.0.1, never ::1."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        postgres.reload()
        if postgres.status == "exited":
            break
        with suppress(TimeoutError, ConnectionError):  # it died since
            url = make_url(postgres.get_connection_url(driver="psycopg2"))
            url = url.set(host="127.0.0.1") if url.host == "localhost" else url
            if _answers(url):
                return url
        time.sleep(0.05)
    log = b"".join(postgres.get_logs()).decode(errors="replace").splitlines()[-4:]
    fact = f"The container of {image()} is {postgres.status} and does not answer"
    raise NoPostgresError(
        f"{fact}: {' | '.join(log)} Check TEST_POSTGRES_IMAGE, or use --postgres=embedded."
    )


def _answers(url: URL) -> bool:
    engine = create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": 2})
    try:
        engine.connect().close()
    except OperationalError:
        return False
    return True


# Databases on it.


class Databases:
    """Make and drop databases on a server. Unique names let several runs share it."""

    def __init__(self, admin: URL) -> None:
        self.admin = admin
        self._engine = create_engine(admin, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        self._templates: dict[str, str] = {}

    def create(self, template: str | None = None) -> URL:
        """Make a database, empty or a template's copy. Copying files beats copying by the log."""
        name = f"t_{os.getpid()}_{secrets.token_hex(4)}"
        self._execute(
            f'CREATE DATABASE "{name}" TEMPLATE "{template or "template0"}" STRATEGY FILE_COPY'
        )
        return self.admin.set(database=name)

    def drop(self, name: str) -> None:
        """Drop a database, even if somebody is connected."""
        self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def template(self, name: str, build: Callable[[URL], None]) -> str:
        """Return the database to copy for `name`, built and closed at the first call."""
        if name not in self._templates:
            url = self.create()
            database = self._templates.setdefault(name, str(url.database))
            build(url)
            self._close(database)
        return self._templates[name]

    def drop_templates(self) -> None:
        for database in self._templates.values():
            self.drop(database)

    def _close(self, database: str) -> None:
        """Close a database, because one with a connection cannot be copied."""
        self._execute(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS false')
        leave = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = :name"
        self._execute(leave, name=database)

    def _execute(self, sql: str, **values: str) -> None:
        with self._engine.connect() as connection:
            connection.execute(text(sql), values)
