"""What the tests of the command line share: commands run within this process, and as programs."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from aylien_model_serving.cli import main
from tests.services.serving import PROJECT, clean_environment

Invoke = Callable[..., Result]

#: Seconds that a command may take; it starts interpreters.
SECONDS = 100


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, from where child processes find this library."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    return tmp_path


@pytest.fixture
def invoke(folder: Path) -> Invoke:
    """Runs a command within this process."""
    return lambda *words, **options: CliRunner().invoke(main, words, prog_name="model-serving", **options)


def program(*words: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a program of its own, as a shell does."""
    return subprocess.run(
        [sys.executable, "-m", "aylien_model_serving", *words],
        cwd=cwd,
        env=clean_environment() | {"PYTHONPATH": str(PROJECT)} | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )


def one_line(result: Result) -> str:
    """Return the one line that a command ended with, without an answer and without a traceback."""
    [line] = result.stderr.splitlines()
    assert result.stdout == ""
    assert result.exit_code in (1, 2)
    return line
