"""`model-serving worker`: what it shows, and what keeps it from starting; at work it is in tests/services."""

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Invoke, one_line, program
from tests.services.serving import PROJECT, launch

pytestmark = pytest.mark.processes

SERVICE = """
from aylien_model_serving.service import Service

app = Service("kitchen")

@app.endpoint("/shout")
def shout(text: str) -> str:
    return text.upper()
"""

JOBS = """
@app.task_endpoint("/fry")
def fry(name: str) -> str:
    return f"{name} are ready"
"""


@pytest.fixture
def service(folder: Path) -> Path:
    file = folder / "service.py"
    file.write_text(SERVICE + JOBS)
    return file


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_it_shows_its_jobs_and_tells_how_it_is(service: Path, folder: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "aylien_model_serving",
        "worker",
        "service.py",
        "--health-port",
        "{port}",
    ]
    env = {"MODEL_SERVING_JOBS_URL": f"sqlite:///{folder}/jobs.sqlite3", "MODEL_SERVING_ROLE": "web"}
    with launch(command, cwd=folder, env=env, ready="/readyz") as worker:
        log = worker.log()
        statuses = [
            worker.status(path) for path in ("/livez", "/metrics", "/__runners", "/fry", "/docs", "/")
        ]

    assert "works on the jobs of service:app\n\n  POST  /fry  as jobs, 100 may wait; 1 replica" in log
    assert "/shout" not in log
    assert f"It says how it is at {worker.url}/readyz\nIts jobs are kept in {folder}/jobs.sqlite3\n" in log
    assert statuses == [200, 200, 200, 404, 404, 404]


def test_a_service_without_jobs_is_refused(invoke: Invoke, service: Path) -> None:
    service.write_text(SERVICE)

    assert one_line(invoke("worker", "service.py")) == (
        "model-serving worker: service:app has no route with the key 'job': there is nothing to work on"
    )


def test_a_port_that_is_taken_is_named(invoke: Invoke, service: Path, taken: int) -> None:
    line = one_line(invoke("worker", "service.py", "--health-port", str(taken)))

    assert line.startswith(f"model-serving: port {taken} is in use by process ")


def test_a_host_that_is_none_is_refused(invoke: Invoke, service: Path) -> None:
    line = one_line(invoke("worker", "service.py", "--health-host", "no.such.host.invalid"))

    assert line.startswith("model-serving worker: --health-host: 'no.such.host.invalid' is no address")


def test_jobs_in_memory_are_refused_with_what_to_do(service: Path, folder: Path) -> None:
    done = program(
        "worker",
        "service.py",
        "--quiet",
        cwd=folder,
        MODEL_SERVING_JOBS_URL="memory://",
        PYTHONPATH=str(PROJECT),
    )

    assert done.returncode == 1
    assert done.stdout == ""
    assert "MODEL_SERVING_JOBS_URL=memory:// keeps jobs in the memory of one process" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_mistake_in_the_service_is_one_line(invoke: Invoke, service: Path) -> None:
    service.write_text("import nothing_of_the_kind\n")

    assert "No module named 'nothing_of_the_kind'" in one_line(invoke("worker", "service.py"))
