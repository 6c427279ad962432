"""The serving verbs of the Makefile, with this interpreter in place of a virtual environment of their own."""

import sys
from pathlib import Path

import pytest

from tests.selection import full, matrix
from tests.services.raw_http import Answer, ask, post
from tests.services.serving import PROJECT, Service, launch

pytestmark = pytest.mark.processes

GERMAN = {"title": "Guten Morgen", "body": "Heute scheint die Sonne über der Stadt."}

SERVICE = """
from aylien_model_serving.app_factory import FlaskAppWrapper

def shout(text: str) -> dict:
    return {"text": text.upper()}

def run_app():
    return FlaskAppWrapper.create_app([{"endpoint": "/", "callable": shout}])
"""


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A virtual environment that the Makefile takes for complete."""
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    python = venv / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    (venv / ".serving").touch()
    return venv


def make(environment: Path, *words: str) -> list[str]:
    return ["make", "-f", str(PROJECT / "Makefile"), f"VENV={environment}", "PORT={port}", *words]


def workers(service: Service) -> list[int]:
    """Return the process ids of the workers of the Gunicorn that make has started."""
    [master] = service.workers()
    return [int(pid) for pid in Path(f"/proc/{master}/task/{master}/children").read_text().split()]


@pytest.mark.parametrize(
    ("worker_class", "count"), matrix([("gthread", 1), ("sync", 2), ("gevent", 3)], ("sync", 2), rows=True)
)
def test_the_example_is_served_with_the_workers_and_the_log_level_that_are_asked_for(
    environment: Path, worker_class: str, count: int
) -> None:
    words = (f"WORKER_CLASS={worker_class}", f"NUM_WORKERS={count}", "LOG_LEVEL=debug", "example-service")

    with launch(make(environment, *words)) as service:
        answer = ask(service.port, post(GERMAN))
        service.wait_until(lambda: len(workers(service)) == count)
        log = service.log()

    assert (answer.status, answer.json()["language"]) == (200, "de")
    assert f"Using worker: {worker_class}" in log
    assert "DEBUG gunicorn.error" in log


@full
def test_the_cached_example_answers_equal_requests_from_its_cache(environment: Path) -> None:
    with launch(make(environment, "NUM_WORKERS=1", "LOG_LEVEL=error", "example-service-cached")) as service:
        answers = [ask(service.port, post(GERMAN)) for _ in range(2)]
        log = service.log()

    assert [answer.headers["x-cache"] for answer in answers] == ["miss", "hit"]
    assert {answer.json()["language"] for answer in answers} == {"de"}
    assert "INFO" not in log


@pytest.mark.parametrize(
    "command", matrix(["my_service:run_app()", "my_service.run_app()"], "my_service.run_app()")
)
def test_a_service_of_ones_own_folder_is_named_in_either_form(
    environment: Path, tmp_path: Path, command: str
) -> None:
    (tmp_path / "my_service.py").write_text(SERVICE)
    words = make(environment, "NUM_WORKERS=1", f"COMMAND_UNCACHED={command}", "example-service")

    with launch(words, cwd=tmp_path) as service:
        answer: Answer = ask(service.port, post({"text": "hello"}))

    assert (answer.status, answer.json()) == (200, {"text": "HELLO"})
