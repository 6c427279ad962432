"""The program itself: its version, its help, its completion, and what it says to wrong words."""

import configparser
import os
import subprocess
import sys
from pathlib import Path

import pytest

from aylien_model_serving.cli import COMMANDS
from aylien_model_serving.cli.errors import EXTRAS
from tests.cli.conftest import Invoke, one_line, program
from tests.services.serving import PROJECT


def test_the_version_is_that_of_the_distribution(invoke: Invoke) -> None:
    result = invoke("--version")

    assert result.exit_code == 0
    assert result.stdout == "model-serving 3.0.0\n"


def test_the_program_alone_lists_every_command(invoke: Invoke) -> None:
    result = invoke()

    assert result.exit_code == 0
    assert all(f"  {name} " in result.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_help(invoke: Invoke, name: str) -> None:
    result = invoke(name, "--help")

    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: model-serving {name} ")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["rnu"], "There is no command 'rnu'; did you mean 'run'?"),
        (
            ["zzz"],
            "There is no command 'zzz'; known are "
            "run, worker, routes, call, jobs, reload, deploy, ray, hash-key, new, completion",
        ),
        (["--vresion"], "No such option '--vresion'"),
        (["run"], "Missing argument 'TARGET'"),
        (["run", "app.py", "--port", "http"], "'http' is not a valid integer"),
        (["run", "app.py", "--workers", "0"], "0 is not in the range x>=1"),
        (["run", "app.py", "--server", "apache"], "'apache' is not one of"),
        (["completion", "tcsh"], "'tcsh' is not one of"),
    ],
)
def test_wrong_words_end_in_one_line_and_status_2(invoke: Invoke, words: list[str], expected: str) -> None:
    result = invoke(*words)

    assert expected in one_line(result)
    assert result.exit_code == 2


@pytest.mark.parametrize(
    ("shell", "sign"),
    [("bash", "complete -o nosort"), ("zsh", "#compdef model-serving"), ("fish", "complete --no-files")],
)
def test_the_completion_of_a_shell_names_the_program(invoke: Invoke, shell: str, sign: str) -> None:
    result = invoke("completion", shell)

    assert result.exit_code == 0
    assert sign in result.stdout
    assert f"_MODEL_SERVING_COMPLETE={shell}_complete" in result.stdout


@pytest.mark.processes
def test_the_completion_offers_commands(tmp_path: Path) -> None:
    asked = {"_MODEL_SERVING_COMPLETE": "bash_complete", "COMP_WORDS": "model-serving r", "COMP_CWORD": "1"}

    offered = program(cwd=tmp_path, **asked).stdout.splitlines()

    assert offered == ["plain,run", "plain,routes", "plain,reload", "plain,ray"]


@pytest.mark.processes
def test_the_version_is_printed_by_little_more_than_click() -> None:
    main = "from aylien_model_serving.cli import main; main(['--version'], standalone_mode=False)"

    assert packages_after(main) - packages_after("import click") == {"aylien_model_serving"}


def packages_after(words: str) -> set[str]:
    """Return the packages outside of the standard library that a program has loaded at its end."""
    printed = "import sys; print('loaded', *{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", f"{words}\n{printed}"], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.splitlines()[-1].split())
    return loaded - {"loaded", "__mp_main__"} - sys.stdlib_module_names  # the second is multiprocessing's


@pytest.mark.processes
def test_the_help_loads_neither_a_web_framework_nor_the_client() -> None:
    words = "import sys; from aylien_model_serving.cli import main; main(['--help'], standalone_mode=False);"
    printed = "print('loaded', *sorted({'flask', 'httpx', 'rich', 'msgspec', 'gunicorn'} & set(sys.modules)))"

    done = subprocess.run(
        [sys.executable, "-c", words + printed], cwd=PROJECT, capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines()[-1] == "loaded"


def test_a_reader_that_leaves_ends_the_program_without_a_traceback(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as nobody:
        done = subprocess.run(
            [sys.executable, "-m", "aylien_model_serving", "completion", "bash"],
            cwd=PROJECT,
            stdout=nobody,
            stderr=subprocess.PIPE,
            text=True,
        )

    assert "Traceback" not in done.stderr


def test_every_extra_that_is_named_as_a_cure_brings_something() -> None:
    setup = configparser.ConfigParser()
    setup.read(PROJECT / "setup.cfg")

    assert set(EXTRAS.values()) <= set(setup["options.extras_require"])
