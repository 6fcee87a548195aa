"""Run a module as a program of its own, without waiting for its libraries to be imported.

The process is forked from one that has imported them, and then imports the project's own modules
anew, from the folder it runs in. Nothing else differs from ``python -m MODULE``.
"""

import compileall
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.bundled import ROOT

__all__ = ["compile_project", "fresh_process", "run_program"]

OURS = {"benchmarks", "conftest", "data", "migrations", "models", "tests"}
"""The project's packages, of which a copy has its own."""

fresh_process = multiprocessing.get_context("forkserver")
fresh_process.set_forkserver_preload(
    [
        "conftest",
        "alembic.config",
        "logging.config",
        "psycopg2.extras",
        "secrets",
        "sqlalchemy.dialects.postgresql",
        "sqlalchemy.orm",
        "statistics",
        "tenacity",
        "migrations.history",
        "tests.support.deploys",
    ]
)


def compile_project() -> None:
    """Compile the project once, so that hundreds of programs need not.

    They write no bytecode themselves. It would be taken for that of a module changed within the
    same second.
    """
    for name in ("migrations", "data"):
        compileall.compile_dir(ROOT / name, quiet=2)
    compileall.compile_file(ROOT / "models.py", quiet=2)
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"


def run_program(
    module: str,
    arguments: Sequence[str],
    *,
    cwd: Path,
    environ: Mapping[str, str],
    together: bool = False,
    timeout: float = 120,
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m MODULE`` to its end.

    together: whether standard error goes where standard output goes; timeout: in seconds. Raises
    ``TimeoutExpired``.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, "stdout"), Path(folder, "stdout" if together else "stderr")]
        process = fresh_process.Process(
            target=_run, args=(module, list(arguments), cwd, dict(environ), files), daemon=True
        )
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(module, timeout)
        stdout, stderr = (file.read_text(encoding="utf-8") for file in files)
    return subprocess.CompletedProcess(
        [module, *arguments], process.exitcode, stdout, None if together else stderr
    )


def _run(
    module: str, arguments: list[str], cwd: Path, environ: dict[str, str], files: list[Path]
) -> None:
    """Do what ``python -m`` does, in a forked process."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environ)
    for descriptor, file in enumerate(files, start=1):
        output = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(output, descriptor)
        os.close(output)
    for name in list(sys.modules):
        if name.partition(".")[0] in OURS:
            del sys.modules[name]
    sys.path[0] = str(cwd)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
