"""Background tasks on real servers: no client waits for them, and the end of a service does."""

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.selection import matrix
from tests.services.hosts import gone_in_the_end, wait_until
from tests.services.raw_http import connect, get, post
from tests.services.serving import Service, launch, serve

pytestmark = pytest.mark.processes

APP = "tests.services.background_apps:leaving_work"
REQUEST_ID = "the-request"

Start = Callable[..., AbstractContextManager[Service]]


def gunicorn(worker_class: str, **keys: Any) -> Start:
    return partial(serve, f"{APP}()", worker_class=worker_class, workers=1, **keys)


def program(*words: str) -> Start:
    return partial(launch, [sys.executable, "-m", *words, "--port", "{port}"])


SERVERS: dict[str, Start] = {
    "gthread": gunicorn("gthread"),
    "gevent": gunicorn("gevent"),
    "asgi": gunicorn("asgi"),
    "gthread without hooks": gunicorn("gthread", settings=Path(os.devnull)),
    "gevent without hooks": gunicorn("gevent", settings=Path(os.devnull)),
    "granian wsgi": program("granian", "--interface", "wsgi", "--factory", APP),
    "granian asgi": program("granian", "--interface", "asgi", "--factory", APP),
    "uvicorn": program("uvicorn", "--factory", APP),
}


@pytest.mark.parametrize(
    ("server", "route"),
    matrix(
        [
            ("gthread", "inline"),
            ("gthread", "hosted"),
            ("gevent", "inline"),
            ("gevent", "async"),
            ("gevent", "view"),
            ("gevent", "hosted"),
            ("asgi", "inline"),
            ("asgi", "async"),
            ("asgi", "view"),
            ("asgi", "batched"),
            ("gthread without hooks", "inline"),
            ("gevent without hooks", "inline"),
            ("granian wsgi", "inline"),
            ("granian asgi", "inline"),
            ("uvicorn", "inline"),
        ],
        ("gevent", "inline"),
        ("asgi", "batched"),
        ("gthread", "hosted"),
        rows=True,
    ),
)
def test_a_client_does_not_wait_for_a_task_and_a_stop_does(server: str, route: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with gone_in_the_end(SERVERS[server](env={"ROUTE": route})) as service:
        service.wait_until(lambda: service.status("/readyz") == 200)
        with connect(service.port) as connection:
            first = connection.ask(post({"gate": str(gate)}, f"X-Request-ID: {REQUEST_ID}", path=f"/{route}"))
            wait_until((gate / "entered").exists)
            second = connection.ask(get("/__ping"))
        service.process.terminate()
        wait_until(lambda: service.status("/__ping") is None)
        assert not (gate / "done").exists()
        (gate / "open").touch()
        service.process.wait(10)
        log = service.log()

    assert first is not None
    assert second is not None
    assert [first.status, second.status] == [200, 200]
    assert (gate / "done").read_text() == str(first.json()["pid"])
    assert f"[{REQUEST_ID}] Background task fail failed: no way" in log
