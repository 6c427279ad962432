"""The Makefile, run with stand-ins for the virtual environment, so that nothing is installed."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.services.serving import PROJECT, clean_environment, launch

VERBS = """
    dev example-service example-service-cached test test-gevent lint format types check docs bench faults
    fuzz soak proto clean
"""

SERVICE = """
from aylien_model_serving.app_factory import FlaskAppWrapper

def shout(text: str) -> dict:
    return {"text": text.upper()}

def run_app():
    return FlaskAppWrapper.create_app([{"endpoint": "/", "callable": shout, "methods": ["POST"]}])
"""


def environment_of(folder: Path, python: str) -> Path:
    """Make a stand-in for a virtual environment below `folder`, whose python is a shell script."""
    venv = folder / "venv"
    (venv / "bin").mkdir(parents=True)
    program = venv / "bin" / "python"
    program.write_text(f"#!/bin/sh\n{python}\n")
    program.chmod(0o755)
    for stamp in (".serving", ".granian", ".torch", ".media", ".development"):
        (venv / stamp).touch()
    return venv


@pytest.fixture
def echo(tmp_path: Path) -> Path:
    return environment_of(tmp_path, python="printf '%s\\n' \"$@\"")


@pytest.fixture
def real(tmp_path: Path) -> Path:
    return environment_of(tmp_path, python=f'exec "{sys.executable}" "$@"')


def make(*args: str, cwd: Path = PROJECT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *args], cwd=cwd, env=clean_environment(), capture_output=True, text=True, timeout=60
    )


def test_make_alone_lists_every_verb_with_what_it_does() -> None:
    listed = make().stdout.splitlines()

    for verb in VERBS.split():
        [line] = [line for line in listed if line.split()[:2] == ["make", verb]]
        assert len(line.split()) > 4


@pytest.mark.parametrize(
    ("command", "target"),
    [
        ("some.module:run_app()", "some.module:run_app()"),
        ("ServingHandler.run_app()", "ServingHandler:run_app()"),
        ("examples.example_serving_handler.run_app()", "examples.example_serving_handler:run_app()"),
        ("handlers.run_app('a.b', size=2)", "handlers:run_app('a.b', size=2)"),
        ("some.module:app", "some.module:app"),
    ],
)
@pytest.mark.parametrize(
    ("verb", "variable"),
    [("example-service", "COMMAND_UNCACHED"), ("example-service-cached", "COMMAND_CACHED")],
)
def test_a_dotted_path_that_ends_in_a_call_becomes_module_and_callable(
    echo: Path, verb: str, variable: str, command: str, target: str
) -> None:
    served = make(f"VENV={echo}", f"{variable}={command}", verb)

    assert served.stdout.splitlines()[-1] == target


@pytest.mark.parametrize(
    ("verb", "target"),
    [
        ("example-service", "examples.example_serving_handler:run_app()"),
        ("example-service-cached", "examples.example_serving_handler_cached:run_app()"),
    ],
)
def test_the_examples_are_served_unless_told_otherwise(echo: Path, verb: str, target: str) -> None:
    served = make(f"VENV={echo}", verb)

    assert served.stdout.splitlines()[-1] == target


def test_port_workers_worker_class_and_log_level_reach_gunicorn(echo: Path) -> None:
    chosen = ("PORT=8123", "NUM_WORKERS=5", "WORKER_CLASS=gthread", "LOG_LEVEL=debug")

    words = make(f"VENV={echo}", *chosen, "example-service").stdout.splitlines()

    flags = ("--bind", "--workers", "--worker-class", "--log-level")
    assert [words[words.index(flag) + 1] for flag in flags] == ["127.0.0.1:8123", "5", "gthread", "debug"]


@pytest.mark.parametrize(
    ("worker_class", "interface"), [("gevent", "wsgi"), ("sync", "wsgi"), ("asgi", "asgi"), ("", "asgi")]
)
def test_port_workers_interface_and_log_level_reach_granian(
    echo: Path, worker_class: str, interface: str
) -> None:
    chosen = (
        "SERVER=granian",
        "PORT=8123",
        "NUM_WORKERS=5",
        f"WORKER_CLASS={worker_class}",
        "LOG_LEVEL=debug",
    )

    words = make(f"VENV={echo}", *chosen, "example-service").stdout.splitlines()

    flags = ("--port", "--workers", "--interface", "--log-level")
    assert [words[words.index(flag) + 1] for flag in flags] == ["8123", "5", interface, "debug"]
    assert words[-2:] == ["--factory", "examples.example_serving_handler:run_app"]


@pytest.mark.parametrize(("server", "flag"), [("gunicorn", "--bind"), ("granian", "--host")])
@pytest.mark.parametrize(("chosen", "host"), [((), "127.0.0.1"), (("HOST=0.0.0.0",), "0.0.0.0")])
def test_a_service_is_open_to_this_machine_alone_unless_a_host_is_named(
    echo: Path, server: str, flag: str, chosen: tuple[str, ...], host: str
) -> None:
    output = make(f"VENV={echo}", f"SERVER={server}", *chosen, "example-service").stdout

    words = output.splitlines()
    assert words[words.index(flag) + 1].removesuffix(":8000") == host
    assert ("Only this machine reaches it" in output) == (server == "granian" and not chosen)


def test_a_host_that_the_environment_has_for_other_programs_opens_nothing(echo: Path) -> None:
    environment = clean_environment() | {"HOST": "x86_64-linux-gnu"}
    named = subprocess.run(
        ["make", f"VENV={echo}", "example-service"],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
    ).stdout

    assert "127.0.0.1:8000" in named.splitlines()


def test_an_ipv6_host_is_put_in_brackets_for_gunicorn(echo: Path) -> None:
    assert "[::1]:8000" in make(f"VENV={echo}", "HOST=::1", "example-service").stdout.splitlines()


def test_granian_is_given_an_app_that_is_made_already_as_it_is(echo: Path) -> None:
    served = make(f"VENV={echo}", "SERVER=granian", "COMMAND_UNCACHED=some.module:app", "example-service")

    words = served.stdout.splitlines()
    assert words[-1] == "some.module:app"
    assert "--factory" not in words


def test_granian_is_installed_when_it_is_asked_for(echo: Path) -> None:
    (echo / ".granian").unlink()

    asked = make("-n", f"VENV={echo}", "SERVER=granian", "example-service").stdout
    not_asked = make("-n", f"VENV={echo}", "example-service").stdout

    assert any("pip install" in line and line.endswith(" granian") for line in asked.splitlines())
    assert "pip install" not in not_asked


@pytest.mark.parametrize(
    "command",
    ["examples.digits.app:run_app()", "examples.digits.app.run_app()", "examples.characters.app:run_app()"],
)
def test_torch_is_installed_when_the_example_that_needs_it_is_asked_for(echo: Path, command: str) -> None:
    (echo / ".torch").unlink()

    asked = make("-n", f"VENV={echo}", f"COMMAND_UNCACHED={command}", "example-service").stdout
    not_asked = make("-n", f"VENV={echo}", "example-service").stdout

    assert any("pip install" in line and "requirements-torch.txt" in line for line in asked.splitlines())
    assert "pip install" not in not_asked


def test_the_packages_for_files_are_installed_when_the_example_that_needs_them_is_asked_for(
    echo: Path,
) -> None:
    (echo / ".media").unlink()

    command = "COMMAND_UNCACHED=examples.img2img.app:run_app()"
    asked = make("-n", f"VENV={echo}", command, "example-service").stdout
    not_asked = make("-n", f"VENV={echo}", "example-service").stdout

    assert any("pip install" in line and line.endswith('[media]"') for line in asked.splitlines())
    assert "pip install" not in not_asked


def test_an_unknown_server_is_refused(echo: Path) -> None:
    refused = make(f"VENV={echo}", "SERVER=apache", "example-service")

    assert refused.returncode != 0
    assert "SERVER=apache is not known" in refused.stderr


@pytest.mark.parametrize("server", ["gunicorn", "granian"])
def test_a_module_of_the_folder_in_which_make_runs_is_served_in_the_older_form(
    real: Path, server: str
) -> None:
    folder = real.parent
    (folder / "ServingHandler.py").write_text(SERVICE)
    command = ["make", "-f", str(PROJECT / "Makefile"), f"VENV={real}", "PORT={port}", f"SERVER={server}"]
    command += ["NUM_WORKERS=1", "COMMAND_UNCACHED=ServingHandler.run_app()", "example-service"]

    with launch(command, cwd=folder) as service:
        answer = httpx.post(service.url, json={"text": "hello"})

    assert answer.json() == {"text": "HELLO"}


def test_make_proto_generates_what_is_kept(real: Path) -> None:
    made = make(f"VENV={real}", f"PROTO_OUT={real}", "proto")

    assert made.returncode == 0, made.stderr
    generated = real / "examples" / "example_schema_pb2.py"
    assert generated.read_bytes() == (PROJECT / "examples" / "example_schema_pb2.py").read_bytes()


@pytest.mark.parametrize("verb", ["dev", "example-service", "test"])
def test_the_environment_is_made_once_and_again_when_its_description_changes(echo: Path, verb: str) -> None:
    missing = make("-n", f"VENV={echo / 'none'}", verb).stdout
    present = make("-n", f"VENV={echo}", verb).stdout
    changed = [
        make("-n", "-W", name, f"VENV={echo}", verb).stdout for name in ("requirements.txt", "setup.cfg")
    ]

    assert "pip install" in missing
    assert "pip install" not in present
    assert all("pip install" in output for output in changed)


def test_a_python_that_is_not_supported_is_refused_with_a_hint(tmp_path: Path) -> None:
    refused = make("PYTHON=false", f"VENV={tmp_path / 'none'}", "dev")

    assert refused.returncode != 0
    assert "false has to be Python 3.10 to 3.13" in refused.stderr


def test_clean_removes_what_was_made_and_leaves_the_sources(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text((PROJECT / "Makefile").read_text())
    made = [tmp_path / name for name in (".venv", "build", "dist", "tests/__pycache__", ".mypy_cache")]
    for folder in made:
        folder.mkdir(parents=True)
        (folder / "file").touch()
    (tmp_path / "tests" / "test_kept.py").touch()

    cleaned = make("clean", cwd=tmp_path)

    assert cleaned.returncode == 0
    assert not any(folder.exists() for folder in made)
    assert (tmp_path / "tests" / "test_kept.py").exists()
