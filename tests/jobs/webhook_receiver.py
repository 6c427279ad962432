"""A receiver of webhooks on the loopback."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

SECRET = "the secret"


class ReceivedWebhook(NamedTuple):
    """One request as it came, its header names in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def job(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """Keeps what it receives, and answers with one status after the other, the last one for ever."""

    def __init__(self, statuses: list[int]) -> None:
        self.received: list[ReceivedWebhook] = []
        self.statuses = statuses
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/done?of=me"

    @contextmanager
    def listening(self) -> Iterator["Receiver"]:
        """Listen until the block ends; a second time on the port of the first."""
        with ThreadingHTTPServer(("127.0.0.1", self.port), self._handler()) as server:
            self.port = server.server_port
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.received.append(ReceivedWebhook(self.path, headers, body))
                status = receiver.statuses[min(len(receiver.received), len(receiver.statuses)) - 1]
                self.send_response(status)
                self.send_header("Location", receiver.url)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                """Say nothing."""

        return Handler


@contextmanager
def receiving(*statuses: int) -> Iterator[Receiver]:
    """Listen until the block ends.

    Args:
        statuses: what each webhook in turn is answered with.
    """
    with Receiver(list(statuses) or [204]).listening() as receiver:
        yield receiver
