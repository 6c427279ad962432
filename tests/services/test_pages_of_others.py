"""What a real browser lets pages of other origins do with a service, and what the service's own pages do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.services.serving import Service, serve

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.processes

#: A form's POST, which a browser sends to anybody without asking, and whose answer the page can't read.
FORM = """url => fetch(url, {method: "POST", mode: "no-cors", body: '{"text": "a"}'}).then(() => "sent")"""

#: A request for which a browser asks first.
CALL = """url => fetch(url, {
    method: "POST",
    credentials: "include",
    headers: {"Content-Type": "application/json", "X-API-Key": "none"},
    body: '{"text": "a"}',
}).then(
    async answer => [answer.status, await answer.json(), answer.headers.get("X-Request-ID")],
    error => [error.name],
)"""


class _Empty(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"<!doctype html><title>Another</title>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def others() -> Iterator[int]:
    """The port of a server that has a page."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Empty) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture(scope="module")
def service(others: int) -> Iterator[Service]:
    """A service that pages of localhost may call, and those of 127.0.0.1 may not."""
    env = {"MODEL_SERVING_CORS_ORIGINS": f"http://localhost:{others}"}
    with serve("tests.services.origin_apps:run_app()", workers=1, env=env) as service:
        yield service


def counted(service: Service) -> int:
    return int(httpx.get(f"http://localhost:{service.port}/counted").text)


def call(page: Page, host: str, port: int, script: str, service: Service) -> Any:
    """Run a script in a page of another server, for the service's route."""
    page.goto(f"http://{host}:{port}/")
    return page.evaluate(script, f"http://localhost:{service.port}/count")


def test_a_form_of_another_site_calls_no_handler(page: Page, service: Service, others: int) -> None:
    before = counted(service)

    assert call(page, "127.0.0.1", others, FORM, service) == "sent"

    assert counted(service) == before


def test_a_script_of_another_site_is_not_let_through(page: Page, service: Service, others: int) -> None:
    before = counted(service)

    assert call(page, "127.0.0.1", others, CALL, service) == ["TypeError"]

    assert counted(service) == before


def test_a_script_of_a_named_origin_calls_and_reads(page: Page, service: Service, others: int) -> None:
    before = counted(service)

    status, answer, request_id = call(page, "localhost", others, CALL, service)

    assert (status, answer) == (200, before + 1)
    assert request_id


def test_a_script_of_the_service_itself_calls_and_reads(page: Page, service: Service) -> None:
    before = counted(service)
    page.goto(f"http://localhost:{service.port}/livez")

    status, answer, _ = page.evaluate(CALL, f"http://localhost:{service.port}/count")

    assert (status, answer) == (200, before + 1)


@pytest.mark.parametrize(("path", "title"), [("draw", ""), ("open", "run")])
def test_a_handlers_page_is_shown_and_runs_scripts_only_if_its_route_says_so(
    page: Page, service: Service, path: str, title: str
) -> None:
    page.goto(f"http://localhost:{service.port}/{path}?title=run")

    assert page.locator("p").inner_text() == "A page"
    assert page.title() == title
