"""A service that can't start ends soon, with a status other than 0 and a sentence that says why and where."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.selection import full, matrix
from tests.services.serving import PROJECT, SETTINGS, START_SECONDS, clean_environment, free_port
from tests.with_packages import need

pytestmark = pytest.mark.processes

SERVICE = """
from aylien_model_serving import Service

app = Service("misspelt")

@app.endpoint("/length", runner={"replicass": 2})
def length(text: str) -> int:
    return len(text)

app.serve()
"""

#: What is told of it: its decorator is in line 6.
TOLD = "The service can't start: service.py, line 6: route '/length': key 'runner': unknown key 'replicass'"

#: The app is loaded, and only then found to be unusable.
FAILING = """
from aylien_model_serving import FlaskAppWrapper, Service

def load():
    raise RuntimeError("weights.bin is gone")

class Model:
    def __call__(self, text: str) -> int:
        return load()

app = Service()
app.endpoint("/length", warmup={"text": "hi"})(Model)

def run_app():
    return app()
"""

#: What has its class fail when it is built.
LOADING = "\nModel.__init__ = lambda self: load()\n"

BROKEN = "from aylien_model_serving import nothing_of_this_name\n"

WORKER_CLASSES = ("asgi", "gthread", "gevent", "sync", "uvicorn.workers.UvicornWorker")


def ended(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Return how a program ended that was to serve `service.py`, with all that it wrote as its output."""
    for server in ("granian", "uvicorn"):
        if any(word.startswith(server) for word in words):
            need(server)
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=clean_environment() | {"PYTHONPATH": str(PROJECT)} | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )


def gunicorn(*words: str, hooks: bool = True) -> list[str]:
    settings = ("--config", str(SETTINGS)) if hooks else ()
    return ["-m", "gunicorn", "--bind", "127.0.0.1:0", "--no-control-socket", *settings, *words]


def write(folder: Path, source: str) -> Path:
    (folder / "service.py").write_text(source)
    return folder


@pytest.mark.parametrize("worker_class", matrix(WORKER_CLASSES, "asgi"))
def test_a_mistake_under_gunicorn_is_one_line_of_each_worker(tmp_path: Path, worker_class: str) -> None:
    words = gunicorn("--worker-class", worker_class, "--workers", "3", "service:app")

    refused = ended(write(tmp_path, SERVICE), *words)

    lines = refused.stdout.splitlines()
    assert refused.returncode == 3
    assert 1 <= sum(f" ERROR gunicorn.error [-] {TOLD}" in line for line in lines) <= 3
    assert "Traceback" not in refused.stdout
    assert all(" gunicorn.error [-] " in line for line in lines)
    assert lines[-1].endswith("Reason: Worker failed to boot.")


@pytest.mark.parametrize(
    ("words", "status"),
    [
        pytest.param(gunicorn("--preload", "service:app"), 1, id="preload", marks=full),
        pytest.param(["service.py"], 1, id="script"),
        pytest.param(["-m", "uvicorn", "--port", "0", "service:app"], 1, id="uvicorn", marks=full),
    ],
)
def test_a_mistake_at_the_start_of_a_program_is_one_line(
    tmp_path: Path, words: list[str], status: int
) -> None:
    refused = ended(write(tmp_path, SERVICE), *words)

    [line] = refused.stdout.splitlines()
    assert refused.returncode == status
    assert line.startswith(TOLD)


@full
@pytest.mark.parametrize(
    "words",
    [
        pytest.param(gunicorn("service:app", hooks=False), id="gunicorn"),
        pytest.param(["-m", "granian", "--port", "{port}", "--interface", "wsgi", "service:app"], id="wsgi"),
        pytest.param(["-m", "granian", "--port", "{port}", "--interface", "asgi", "service:app"], id="asgi"),
    ],
)
def test_servers_without_our_hooks_show_no_traceback(tmp_path: Path, words: list[str]) -> None:
    refused = ended(write(tmp_path, SERVICE), *[word.format(port=free_port()) for word in words])

    assert refused.returncode != 0
    assert TOLD in refused.stdout
    assert "Traceback" not in refused.stdout


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(gunicorn("service:run_app()"), id="gunicorn"),
        pytest.param(gunicorn("--preload", "service:run_app()"), id="preload", marks=full),
        pytest.param(gunicorn("--worker-class", "gthread", "service:app"), id="late", marks=full),
    ],
)
def test_an_error_of_the_services_own_code_shows_its_own_frames(tmp_path: Path, words: list[str]) -> None:
    refused = ended(write(tmp_path, FAILING), *words)

    shown = refused.stdout.replace("\\n", "\n")
    assert refused.returncode in (1, 3)
    assert "route '/length': key 'warmup': the call failed: weights.bin is gone\nTraceback" in shown
    assert "\nRuntimeError: weights.bin is gone" in shown
    assert "gunicorn/" not in shown
    assert "aylien_model_serving/" not in shown


@full
@pytest.mark.parametrize(
    "source", [FAILING, FAILING.replace('warmup={"text": "hi"}', "cache=True") + LOADING]
)
def test_a_service_that_fails_as_granian_starts_it_ends_the_server(tmp_path: Path, source: str) -> None:
    words = ["-m", "granian", "--port", str(free_port()), "--interface", "asgi", "service:app"]

    refused = ended(write(tmp_path, source), *words)

    assert refused.returncode != 0
    assert "The service can't start" in refused.stdout
    assert "RuntimeError: weights.bin is gone" in refused.stdout


@full
def test_an_error_of_another_kind_keeps_its_traceback(tmp_path: Path) -> None:
    refused = ended(write(tmp_path, BROKEN), *gunicorn("--workers", "2", "service:app"))

    assert refused.returncode == 3
    assert "/service.py" in refused.stdout
    assert "ImportError: cannot import name 'nothing_of_this_name'" in refused.stdout
    assert "HaltServer" not in refused.stdout


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(gunicorn("service:app"), id="gunicorn", marks=full),
        pytest.param(["service.py"], id="script"),
    ],
)
def test_a_setting_that_cant_be_used_is_one_sentence(tmp_path: Path, words: list[str]) -> None:
    refused = ended(write(tmp_path, SERVICE), *words, MODEL_SERVING_PORT="many")

    assert refused.returncode == 1
    assert refused.stdout.splitlines()[-1] == (
        "The service can't start: MODEL_SERVING_PORT='many': expected a port from 1 to 65535"
    )
    assert "Traceback" not in refused.stdout
