"""`--reload`: an edit of any file that a handler runs is served, and a mistake in it ends nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.selection import full, matrix
from tests.services.raw_http import Answer, ask, connect, get, post
from tests.services.serving import Service, serve
from tests.with_packages import need

pytestmark = pytest.mark.processes

SERVICE = """
from model import Model

from aylien_model_serving.app_factory import FlaskAppWrapper


def here() -> str:
    return "{word}"


def run_app():
    model = {{"endpoint": "/model", "callable": Model, "runner": True}}
    return FlaskAppWrapper.create_app([{{"endpoint": "/here", "callable": here}}, model])
"""

MODEL = """
from pathlib import Path


class Model:
    def __init__(self):
        import imported_by_the_replica

        self.words = ["{word}", imported_by_the_replica.WORD, Path("data.txt").read_text()]

    def __call__(self) -> list[str]:
        import imported_by_a_call

        return [*self.words, imported_by_a_call.WORD]
"""

WORD = "WORD = '{word}'\n"

#: Files of the service, with what they hold, in the order of what the model answers.
FILES = {
    "model.py": MODEL,
    "imported_by_the_replica.py": WORD,
    "data.txt": "{word}",
    "imported_by_a_call.py": WORD,
}


class Project:
    """A service's files, and the answers of its server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.words = dict.fromkeys(FILES, "first")
        for name in FILES:
            self.write(name, "first")
        self.write("service.py", "first", SERVICE)

    def write(self, name: str, word: str, text: str | None = None) -> None:
        (self.folder / name).write_text((text or FILES[name]).format(word=word))

    def edit(self, service: Service, name: str, word: str) -> None:
        """Write a file with another word, and return once the model answers with it."""
        self.words[name] = word
        self.write(name, word)
        service.wait_until(lambda: self.answer(service) == list(self.words.values()))

    def answer(self, service: Service) -> Any:
        answer = ask(service.port, post({}, path="/model"))
        assert answer.status == 200, answer.body
        return json.loads(answer.body)

    def break_by(self, service: Service, name: str, text: str, cry: str) -> None:
        """Write something wrong, wait until the log tells of it, and see that the model answers as before."""
        known = service.log().count(cry)
        (self.folder / name).write_text(text)

        def is_noticed() -> bool:
            assert self.answer(service) == list(self.words.values())
            return service.log().count(cry) > known

        service.wait_until(is_noticed)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    return Project(tmp_path)


def serve_it(project: Project, worker_class: str) -> Any:
    args = ("--reload", "--reload-extra-file", "data.txt")
    return serve(
        "service:run_app()",
        worker_class=worker_class,
        workers=1,
        args=args,
        cwd=project.folder,
        ready="/readyz",
    )


def ask_here(service: Service) -> Answer:
    return ask(service.port, post({}, path="/here"))


def wait_for_here(service: Service, expected: Callable[[Answer], bool], may_lose_calls: bool) -> None:
    """Wait for an expected answer of the worker's own route.

    A replaced worker of uvicorn closes connections that it has accepted and not read: it loses calls.
    """

    def is_there() -> bool:
        with connect(service.port) as connection:
            answer = connection.ask(post({}, path="/here"))
        assert answer is not None or may_lose_calls, "a reload lost a call"
        return answer is not None and expected(answer)

    service.wait_until(is_there)


@pytest.mark.parametrize("worker_class", matrix(["asgi", "gevent"], "asgi"))
def test_what_a_replica_alone_imports_is_loaded_again_and_a_mistake_is_waited_out(
    worker_class: str, project: Project
) -> None:
    with serve_it(project, worker_class) as service:
        project.edit(service, "imported_by_the_replica.py", "second")
        project.break_by(service, "imported_by_the_replica.py", "WORD = (", "The code stays as it was")
        project.edit(service, "imported_by_the_replica.py", "the third")


@full
def test_all_that_a_hosted_handler_runs_and_reads_is_loaded_again(project: Project) -> None:
    with serve_it(project, "asgi") as service:
        for name in ("model.py", "data.txt", "imported_by_a_call.py"):
            project.edit(service, name, f"next of {name}")

        project.break_by(service, "imported_by_the_replica.py", "WORD = unknown", "Model can't be built")
        project.edit(service, "imported_by_the_replica.py", "mended")


@full
@pytest.mark.parametrize("worker_class", ["asgi", "uvicorn_worker.UvicornWorker"])
def test_a_mistake_in_the_workers_own_code_is_told_and_ends_with_the_next_edit(
    worker_class: str, project: Project
) -> None:
    is_uvicorn = worker_class.startswith("uvicorn_worker")
    if is_uvicorn:
        need("uvicorn_worker")
    with serve_it(project, worker_class) as service:
        project.break_by(service, "service.py", "def run_app(:\n", "service.py, line 1")
        assert ask_here(service).body == b"first"

        project.write("service.py", "second", SERVICE + "raise RuntimeError('a secret of the code')\n")
        wait_for_here(service, lambda answer: answer.status == 503, may_lose_calls=is_uvicorn)
        assert ask(service.port, get("/readyz")).status == 503
        answer = ask_here(service)
        assert json.loads(answer.body)["code"] == "unavailable"
        assert answer.headers["retry-after"] == "1"
        assert b"secret" not in answer.body
        assert "RuntimeError: a secret of the code" in service.log()

        project.write("service.py", "third", SERVICE)
        wait_for_here(service, lambda answer: answer.body == b"third", may_lose_calls=is_uvicorn)
        service.wait_until(lambda: ask(service.port, post({}, path="/model")).status == 200)
