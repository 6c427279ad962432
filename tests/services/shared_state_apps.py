"""A service whose handlers share what Python programs share: locks, queues, clients, executors, loggers.

ORIGIN is the URL of a server that answers GET with what is asked of an HTTP client.
"""

from __future__ import annotations

import logging
import logging.handlers
import os
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import flask
import httpx
from flask import Flask

from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.background.tasks import TaskResponse

HOLD_SECONDS = 0.01

_lock = threading.Lock()
_orders: queue.Queue[tuple[str, Future[str]]] = queue.Queue()
_workers: list[threading.Thread] = []
_clients: list[httpx.Client] = []
_pool = ThreadPoolExecutor(2)
_logger = logging.getLogger("shared")
_records: queue.Queue[Any] = queue.Queue()
_logger.addHandler(logging.handlers.QueueHandler(_records))
_condition = threading.Condition()

#: What background tasks have done.
done: list[str] = []


def lock(text: str) -> str:
    with _lock:
        time.sleep(HOLD_SECONDS)
    return text


def worker_thread(text: str) -> str:
    _start_once()
    answer: Future[str] = Future()
    _orders.put((text, answer))
    return answer.result(30)


def _start_once() -> None:
    with _lock:
        if not _workers:
            _workers.append(threading.Thread(target=_work, daemon=True))
            _workers[0].start()


def _work() -> None:
    while True:
        text, answer = _orders.get()
        answer.set_result(text)


def http_client(text: str) -> str:
    with _lock:
        if not _clients:
            _clients.append(httpx.Client(base_url=os.environ["ORIGIN"], timeout=30))
    return _clients[0].get("/", params={"text": text}).text


def executor(text: str) -> str:
    return _pool.submit(lock, text).result(30)


def logs(text: str) -> str:
    _logger.warning("said %s", text)
    message: str = _records.get(timeout=30).getMessage()
    assert message.startswith("said ")
    return text


def program(text: str) -> str:
    ended = subprocess.run(["echo", text], capture_output=True, text=True, timeout=30, check=True)
    return ended.stdout.strip()


def condition(text: str) -> str:
    """Wait for a notice that a thread of its own gives."""

    def notify() -> None:
        time.sleep(HOLD_SECONDS)
        with _condition:
            _condition.notify_all()

    with _condition:
        threading.Thread(target=notify).start()
        assert _condition.wait(30)
    return text


KINDS: dict[str, Callable[[str], str]] = {
    "lock": lock,
    "worker_thread": worker_thread,
    "http_client": http_client,
    "executor": executor,
    "logs": logs,
    "program": program,
    "condition": condition,
}


def inline(kind: str, text: str) -> str:
    return KINDS[kind](text)


def inline_too(kind: str, text: str) -> str:
    return KINDS[kind](text)


def batched(kind: list[str], text: list[str]) -> list[str]:
    return [KINDS[one](each) for one, each in zip(kind, text, strict=True)]


def streamed(kind: str, text: str) -> Iterator[str]:
    for _ in range(3):
        yield KINDS[kind](text)


def with_task(kind: str, text: str) -> TaskResponse:
    return TaskResponse(text, background=lambda: done.append(KINDS[kind](text)))


def finished_tasks(unused: str = "") -> int:
    return len(done)


def app() -> Flask:
    """Return the service; its routes are the forms in which a handler runs."""
    forms: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
        "inline": (inline, {"threads": 8}),
        "other": (inline_too, {"threads": 8}),
        "batched": (batched, {"batch": {"max_size": 4}}),
        "streamed": (streamed, {"threads": 8}),
        "task": (with_task, {"threads": 8}),
        "tasks": (finished_tasks, {}),
    }
    service = FlaskAppWrapper.create_app(
        [{"endpoint": f"/{name}", "callable": made, **keys} for name, (made, keys) in forms.items()]
    )
    service.mount_wsgi("/mounted", mounted())
    return service


def mounted() -> Flask:
    inner = Flask("inner")

    @inner.post("/")
    def answer() -> str:
        fields = flask.request.get_json()
        return KINDS[fields["kind"]](fields["text"])

    return inner


def compute(seconds: float) -> str:
    """Keep the interpreter busy, as a model does that computes."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass
    return "computed"


def compute_natively(seconds: float) -> str:
    return compute(seconds)


def computing() -> Flask:
    """Return a service of one handler, in its greenlet and on native threads."""
    return FlaskAppWrapper.create_app(
        [
            {"endpoint": "/compute", "callable": compute},
            {"endpoint": "/native", "callable": compute_natively, "native_threads": True},
        ]
    )
