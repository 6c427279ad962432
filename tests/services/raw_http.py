"""HTTP as bytes on a socket, for requests that no HTTP client would send."""

import http.client
import json
import select
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

ANSWER_SECONDS = 30.0


@dataclass(frozen=True)
class Answer:
    """One answer as it came, its header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """One TCP connection to a server on the loopback."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECONDS)
        self._received = self.socket.makefile("rb")

    def send(self, *parts: bytes) -> None:
        """Send all parts; a server that closes meanwhile shows itself when its answer is read."""
        try:
            for part in parts:
                self.socket.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def send_until_answered(self, parts: Sequence[bytes]) -> int:
        """Send the parts until the server answers or closes, and return how many were sent."""
        for count, part in enumerate(parts):
            if select.select([self.socket], [], [], 0)[0]:
                return count
            self.send(part)
        return len(parts)

    def end(self) -> None:
        """Tell the server that nothing more is sent; its answer can still be read."""
        self.socket.shutdown(socket.SHUT_WR)

    def answer(self) -> Answer | None:
        """Return the next answer, or None where the server has closed the connection."""
        try:
            status_line = self._received.readline()
            if not status_line:
                return None
            headers = http.client.parse_headers(self._received)
            length = headers["Content-Length"]
            body = self._received.read(None if length is None else int(length))
        except ConnectionResetError:
            return None
        by_name = {name.lower(): value for name, value in headers.items()}
        return Answer(int(status_line.split()[1]), by_name, body)

    def ask(self, *parts: bytes) -> Answer | None:
        """Send one request and return its answer, or None where the server has closed the connection."""
        self.send(*parts)
        return self.answer()

    def close(self) -> None:
        self._received.close()
        self.socket.close()


@contextmanager
def connect(port: int) -> Iterator[Connection]:
    """Open a connection to a port of the loopback until the block ends."""
    connection = Connection(port)
    try:
        yield connection
    finally:
        connection.close()


def ask(port: int, *parts: bytes) -> Answer:
    """Send one request on a connection of its own and return its answer."""
    with connect(port) as connection:
        answer = connection.ask(*parts)
    assert answer is not None, "the server closed the connection without an answer"
    return answer


def head(*headers: str, method: str = "POST", path: str = "/") -> bytes:
    """Return a request's first line and headers, with the empty line that ends them."""
    lines = (f"{method} {path} HTTP/1.1", "Host: localhost", *headers, "", "")
    return "\r\n".join(lines).encode()


def post(fields: Mapping[str, object], *headers: str, path: str = "/") -> bytes:
    """Return a POST of a JSON object."""
    return request(json.dumps(fields).encode(), *headers, path=path)


def request(body: bytes, *headers: str, method: str = "POST", path: str = "/") -> bytes:
    """Return a request with a body of declared length."""
    return head(f"Content-Length: {len(body)}", *headers, method=method, path=path) + body


def get(path: str) -> bytes:
    """Return a GET without a body."""
    return head(method="GET", path=path)
