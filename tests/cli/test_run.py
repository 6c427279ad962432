"""`model-serving run`: real servers, and what keeps one from starting."""

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aylien_model_serving.cli import run
from aylien_model_serving.servers import ports
from tests.cli.conftest import Invoke, one_line, program
from tests.selection import full
from tests.services.serving import PROJECT, free_port, launch

pytestmark = pytest.mark.processes

SERVICE = """
from aylien_model_serving.service import Service

app = Service("shouting")

@app.endpoint("/shout")
def shout(text: str) -> str:
    return text.upper()
"""


@pytest.fixture
def service(folder: Path) -> Path:
    file = folder / "service.py"
    file.write_text(SERVICE)
    return file


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.mark.parametrize(
    ("server", "worker_class", "expected"),
    [
        ("gunicorn", "gthread", "by gunicorn with 1 gthread worker\n"),
        pytest.param("gunicorn", "asgi", "by gunicorn with 1 asgi worker\n", marks=full),
        pytest.param("granian", "gevent", "by granian with 1 worker\n", marks=full),
    ],
)
def test_a_summary_is_shown_and_the_server_serves(
    service: Path, folder: Path, server: str, worker_class: str, expected: str
) -> None:
    if server == "granian":
        pytest.importorskip("granian")
    command = [sys.executable, "-m", "aylien_model_serving", "run", "service.py"]
    command += ["--port", "{port}", "--workers", "1", "--server", server, "--worker-class", worker_class]

    with launch(command, env={"PYTHONPATH": str(PROJECT)}, cwd=folder) as running:
        assert running.post("/shout", json={"text": "hi"}).json() == "HI"
        log = running.log()

    assert f"serves service:app {expected}" in log
    assert "  POST  /shout" in log
    assert "shout(text: string)\n" in log
    assert f"  {running.url.replace('localhost', '127.0.0.1')}/openapi.json" in log
    assert f"It listens on http://127.0.0.1:{running.port}, for this machine alone: --host 0.0.0.0" in log


@pytest.mark.parametrize("keys", ["", "alice:sha256:hunter2"])
def test_keys_that_are_none_stop_the_start_without_being_shown(
    service: Path, folder: Path, keys: str
) -> None:
    refused = program("run", "service.py", cwd=folder, MODEL_SERVING_API_KEYS=keys)

    [line] = refused.stderr.splitlines()
    assert refused.returncode == 1
    assert "MODEL_SERVING_API_KEYS: " in line
    assert "hunter2" not in line + refused.stdout


@pytest.mark.parametrize("command", ["run", "routes"])
def test_a_setting_that_cant_be_used_stops_the_start_with_one_line(
    service: Path, folder: Path, command: str
) -> None:
    refused = program(command, "service.py", cwd=folder, MODEL_SERVING_OPEN="metrix")

    [line] = refused.stderr.splitlines()
    assert refused.returncode == 1
    assert line.startswith("model-serving: MODEL_SERVING_OPEN='metrix': expected some of metrics, ")


def test_a_port_in_use_is_reported_with_who_has_it_and_a_free_one(
    service: Path, invoke: Invoke, taken: int
) -> None:
    line = one_line(invoke("run", "service.py", "--host", "127.0.0.1", "--port", str(taken)))

    program, *_ = Path("/proc/self/cmdline").read_text().split("\0")
    assert f"port {taken} is in use by process {os.getpid()} ({program} " in line
    free = int(line.rpartition("such as ")[2])
    ports.check("127.0.0.1", free)


def test_a_host_that_is_none_is_reported(service: Path, invoke: Invoke) -> None:
    result = invoke("run", "service.py", "--host", "256.1.1.1", "--port", str(free_port()))

    assert "--host: '256.1.1.1' is no address" in one_line(result)
    assert result.exit_code == 2


def test_a_worker_class_that_is_none_is_reported_with_the_nearest(service: Path, invoke: Invoke) -> None:
    assert "did you mean 'gevent'?" in one_line(invoke("run", "service.py", "--worker-class", "gvent"))


def test_a_service_that_fails_to_import_does_not_start_a_server(folder: Path, invoke: Invoke) -> None:
    (folder / "service.py").write_text("import nothing_of_this_name\n")

    result = invoke("run", "service.py", "--port", str(free_port()))

    assert "service.py, line 1: ModuleNotFoundError" in one_line(result)


def test_a_server_that_is_not_installed_is_reported_with_what_brings_it(
    service: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "granian", None)
    monkeypatch.setattr(run, "inspect_app", None)

    assert "pip install 'model-serving[granian]'" in one_line(
        invoke("run", "service.py", "--server", "granian")
    )


def test_the_environment_says_how_many_workers_there_are(service: Path, invoke: Invoke) -> None:
    result = invoke("run", "service.py", env={"MODEL_SERVING_WORKERS": "0"})

    assert "'--workers'" in result.stderr
    assert result.exit_code == 2
