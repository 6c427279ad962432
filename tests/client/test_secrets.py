"""The key is in the requests to the service, and nowhere else."""

import http.server
import logging
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from aylien_model_serving.client import ClientError
from aylien_model_serving.errors import ServingError
from tests.client.callers import NAMES, Caller, connected
from tests.services.serving import free_port

KEY = "the-secret-key"


@contextmanager
def origin(status: int, headers: dict[str, str], body: bytes = b"{}") -> Iterator[tuple[str, list[Any]]]:
    """Answer every request alike until the block ends; yield the URL and the headers of the requests."""
    received: list[Any] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            received.append(self.headers)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", received
        finally:
            server.shutdown()


def failure_text(caller: Caller) -> str:
    """Return the traceback of a call that fails, with the values of every function on the way."""
    with pytest.raises((ClientError, ServingError)) as raised:
        caller.run(caller.client.refresh())
    reported = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
    return "".join(reported.format())


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("status", [200, 401, 503])
def test_the_key_is_in_no_log_line_and_no_error(
    kind: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.NOTSET),
        caplog.at_level(1, "httpx"),
        caplog.at_level(1, "httpcore"),
        origin(status, {}) as (url, received),
        connected(kind, url, api_key=KEY, retries=0) as caller,
    ):
        reported = failure_text(caller)

        assert received[0]["Authorization"] == f"Bearer {KEY}"
        assert KEY not in reported
        assert caplog.records
        assert KEY not in caplog.text
        assert KEY not in repr(caller.client) + repr(vars(caller.client))


@pytest.mark.parametrize("kind", NAMES)
def test_the_key_is_in_no_error_where_nobody_answers(kind: str) -> None:
    with connected(kind, f"http://127.0.0.1:{free_port()}", api_key=KEY, retries=0) as caller:
        assert KEY not in failure_text(caller)


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_leads_to_no_other_host(kind: str, status: int) -> None:
    with (
        origin(200, {}) as (other_origin, received),
        origin(status, {"Location": other_origin}) as (url, _),
        connected(kind, url, api_key=KEY) as caller,
    ):
        assert "redirects are not followed" in failure_text(caller)
        assert not received
