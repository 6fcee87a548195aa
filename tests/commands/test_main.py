"""``python -m migrations``: help, version, and suggestions for typing errors."""

import shlex
import tomllib
from pathlib import Path

import pytest

from migrations import __main__
from migrations.__main__ import COMMANDS, main
from migrations.deploy.options import BadOption, read_settings
from tests.support.released import REPOSITORY


def exit_status(*arguments: str) -> object:
    """Run a command argparse ends, and return its exit status."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return ended.value.code


def test_without_a_command_it_shows_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Help lists every command, and the exit status is still that of a wrong call."""
    assert exit_status() == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert all(f"\n    {name} " in told.err for name in COMMANDS)


def test_its_version_is_the_projects(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes from pyproject.toml and nowhere else."""
    monkeypatch.setattr(__main__, "PROJECT", REPOSITORY / "pyproject.toml")
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    assert exit_status("--version") == 0
    assert capsys.readouterr().out == f"{project['project']['version']}\n"


@pytest.mark.parametrize("told", ["[tool.ruff]", '[project]\nname = "crm"\nversion = "9.9"'])
def test_a_crms_own_pyproject_is_not_ours(
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It lies beside the copied files, and every command reads it."""
    monkeypatch.setattr(__main__, "PROJECT", tmp_path / "pyproject.toml")
    __main__.PROJECT.write_text(told, encoding="utf-8")
    assert exit_status("--version") == 0
    assert capsys.readouterr().out == "unknown\n"


@pytest.mark.parametrize(
    ("given", "meant"), [("stauts", " Did you mean status?"), ("checks", "check?"), ("xyz", "")]
)
def test_a_mistyped_command_is_recognised(
    given: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A word unlike all commands is only refused."""
    assert exit_status(given) == 2
    told = capsys.readouterr().err
    assert f"{given} is not a command." in told
    assert meant in told
    assert bool(meant) == ("Did you mean" in told)


def test_a_mistyped_option_of_alembic_is_recognised() -> None:
    """A misspelt -x gets a suggestion too."""
    with pytest.raises(BadOption, match=r"-x bach-size is not known\. Did you mean batch-size\?"):
        read_settings({"bach-size": "200"})


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_examples_that_are_understood(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """You can type each one as it is."""
    assert exit_status(name, "--help") == 0
    told = capsys.readouterr().out
    assert COMMANDS[name].examples
    for example in COMMANDS[name].examples:
        assert f"  python -m migrations {name} {example}".rstrip() in told.splitlines()
        arguments, _, _ = example.partition(">")
        __main__._parser().parse_args([name, *shlex.split(arguments)])
