"""What handlers share, locks and queues and clients, works on every server in whatever form they run."""

from __future__ import annotations

import http.server
import threading
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.selection import matrix
from tests.services.serving import Service, serve
from tests.services.shared_state_apps import KINDS

pytestmark = pytest.mark.processes

CALLS = 12
FORMS = ("inline", "batched", "streamed", "mounted/")


class Origin(http.server.BaseHTTPRequestHandler):
    """Answers with the text that is asked for."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        body = query["text"][0].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Write no log."""


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Origin)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module", params=matrix(["gthread", "gevent", "asgi", "sync"], "gevent"))
def service(request: pytest.FixtureRequest, origin: str) -> Iterator[Service]:
    threads = ("--threads", "32") if request.param == "gthread" else ()
    target = "tests.services.shared_state_apps:app()"
    with serve(
        target, worker_class=request.param, workers=1, env={"ORIGIN": origin}, args=threads
    ) as started:
        yield started


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", matrix(FORMS, "inline"))
def test_calls_that_share_it_are_all_answered(service: Service, form: str, kind: str) -> None:
    def ask(number: int) -> str:
        path = "other" if form == "inline" and number % 2 else form
        fields = {"kind": kind, "text": f"text{number}"}
        return httpx.post(f"{service.url}/{path}", json=fields, timeout=60).raise_for_status().text

    with ThreadPoolExecutor(CALLS) as callers:
        answers = list(callers.map(ask, range(CALLS)))

    assert all(f"text{number}" in answer for number, answer in enumerate(answers))


@pytest.mark.parametrize("kind", KINDS)
def test_background_tasks_that_share_it_are_all_done(service: Service, kind: str) -> None:
    def count() -> int:
        return int(httpx.post(f"{service.url}/tasks", json={}, timeout=60).raise_for_status().text)

    before = count()
    for number in range(3):
        fields = {"kind": kind, "text": f"text{number}"}
        httpx.post(f"{service.url}/task", json=fields, timeout=60).raise_for_status()

    service.wait_until(lambda: count() == before + 3)
