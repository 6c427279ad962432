"""A server on loopback with given responses, and a network in which names resolve to it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self

PUBLIC = "93.184.215.14"
PUBLIC_6 = "2606:2800:21f:cb07:6820:80da:af6b:8b2c"

Answer = bytes | Callable[[socket.socket], None]


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def redirect(to: str, status: str = "302 Found") -> bytes:
    return answer(b"", f"Location: {to}", status=status)


class Origin:
    """Answers connections in turn, the last answer again and again.

    Args:
        answers: bytes to send, or what to do with a connection whose request has been read.
        wrap: makes a TLS connection of an accepted one.
    """

    def __init__(
        self, *answers: Answer, wrap: Callable[[socket.socket], socket.socket] | None = None
    ) -> None:
        self._answers = answers
        self._wrap = wrap
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.port: int = self._listener.getsockname()[1]
        self.requests: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        for position in range(1000):
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            given = self._answers[min(position, len(self._answers) - 1)]
            with connection:
                self._answer(connection, given)

    def _answer(self, connection: socket.socket, given: Answer) -> None:
        try:
            if self._wrap is not None:
                connection = self._wrap(connection)
            with connection:
                self.requests.append(_read_head(connection))
                if callable(given):
                    given(connection)
                else:
                    connection.sendall(given)
        except OSError:
            return  # the client left, which is what some tests are about


def _read_head(connection: socket.socket) -> str:
    head = b""
    while b"\r\n\r\n" not in head:
        piece = connection.recv(4096)
        if not piece:
            break
        head += piece
    return head.decode("latin-1")


class Network:
    """A resolver and a connector that note what they are asked; every connection goes to one origin.

    Args:
        origin: where connections end, whatever address they are for.
        names: the addresses of each name; a list of lists is answered one by one, the last one again.
    """

    def __init__(self, origin: Origin, names: Mapping[str, Sequence[str] | list[list[str]]]) -> None:
        self._origin = origin
        self._names = names
        self.resolved: list[str] = []
        self.connected: list[tuple[str, int]] = []

    def resolve(self, host: str, port: int, seconds: float) -> list[str]:
        self.resolved.append(host)
        if host not in self._names:
            raise socket.gaierror("no such name")
        found = self._names[host]
        if found and isinstance(found[0], list):
            return list(found[min(self.resolved.count(host), len(found)) - 1])
        return [str(address) for address in found]

    def connect(self, address: str, port: int, seconds: float) -> socket.socket:
        self.connected.append((address, port))
        return socket.create_connection(("127.0.0.1", self._origin.port), seconds)
