"""Services whose jobs are kept in the memory of the test, and what their clients do."""

import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from flask.testing import FlaskClient

from tests.web.requests import post, route, serve

LONG = 30


class JobGate:
    """What the handler of a job waits at."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.open = threading.Event()

    def wait(self) -> None:
        self.entered.set()
        assert self.open.wait(LONG)


def jobs(handler: Callable[..., Any], **options: Any) -> FlaskClient:
    """Return a client of a service that keeps the calls of one handler as jobs."""
    return serve(route(handler, job=options or True))


def echo(text: str = "hello") -> dict[str, str]:
    return {"text": text}


def begin(client: FlaskClient, fields: Any = None, path: str = "/p", **headers: str) -> str:
    """Enqueue a job, and return its id."""
    response = post(client, fields, path, **headers)
    assert response.status_code == 202, response.text
    job_id: str = response.get_json()["job_id"]
    return job_id


def end_of(client: FlaskClient, job_id: str) -> Any:
    """Return a job that has ended."""
    return client.get(f"/status/{job_id}?wait={LONG}").get_json()


def events_of(client: FlaskClient, job_id: str) -> list[tuple[str, Any]]:
    """Return the names and the data of a job's stream, to its end."""
    return list(each_event_of(client, job_id))


def each_event_of(client: FlaskClient, job_id: str) -> Iterator[tuple[str, Any]]:
    """Yield the name and the data of each event of a job's stream when it comes."""
    response = client.get(f"/stream/{job_id}", buffered=False)
    assert response.content_type.startswith("text/event-stream")
    assert response.headers["X-Accel-Buffering"] == "no"
    waiting = ""
    for piece in response.iter_encoded():
        *texts, waiting = (waiting + piece.decode()).split("\n\n")
        for text in texts:
            lines = dict(line.split(": ", 1) for line in text.splitlines() if not line.startswith(":"))
            if lines:
                yield lines.get("event", "item"), json.loads(lines["data"])
    assert not waiting


def count(number: int) -> Iterator[dict[str, int]]:
    for step in range(number):
        yield {"step": step}


async def count_async(number: int) -> AsyncIterator[dict[str, int]]:
    for step in range(number):
        yield {"step": step}
