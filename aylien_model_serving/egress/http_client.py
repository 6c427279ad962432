"""One request over one connection, until its deadline and within a number of bytes.

On the standard library's `http.client`: `httpx` and `requests` limit each wait and not the whole request, so
that a server which sends a byte at a time holds them for ever, and they resolve a name again after it was
checked; the package `ssrfguard` closes the second gap alone, on top of either.
Redirects are not followed, and proxies of the environment are not used: they would resolve the name again.
"""

from __future__ import annotations

import http.client
import io
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from aylien_model_serving.egress.connector import Connector
from aylien_model_serving.egress.deadline import Deadline
from aylien_model_serving.egress.parsed_url import ParsedURL

#: Bytes of headers and framing that a response may have beside its body.
MAX_OVERHEAD = 256 * 1024

#: A length, or none; one of more digits than any file has is no length.
_LENGTH = re.compile("[0-9]{0,18}")

_CHUNK_LENGTH = re.compile(b"[0-9A-Fa-f]{1,15}")

#: Bytes of the line before a chunk, extensions included.
_MAX_CHUNK_LINE = 65_536

_HEADERS = {"User-Agent": "model-serving", "Accept-Encoding": "identity", "Connection": "close"}


class ResponseTooLarge(OSError):
    """More bytes arrived than are taken; an OSError, since `http.client` takes a ValueError for its own."""


@dataclass(frozen=True)
class HTTPClient:
    """Sends requests by HTTP/1.1.

    Args:
        connector: opens the connections.
        max_bytes: of a response's body.
    """

    connector: Connector
    max_bytes: int

    @contextmanager
    def send(
        self,
        method: str,
        url: ParsedURL,
        deadline: Deadline,
        headers: Mapping[str, str],
        body: bytes | None = None,
    ) -> Iterator[http.client.HTTPResponse]:
        """Send a request and give its response, whose body has still to be read; the connection ends with it.

        Args:
            method: GET, POST and so on.
            url: the URL.
            deadline: of all, the reading of the body included.
            headers: beside Host, Content-Length and those of every request.
            body: of the request.

        Raises:
            OSError: as in `Connector.open`; `ResponseTooLarge` and TimeoutError come from reading, too.
            http.client.HTTPException: the response is not valid HTTP, or its body's length is ambiguous.
        """
        with closing(self.connector.open(url, deadline)) as sock:
            connection = http.client.HTTPConnection(url.host, url.port)
            limited: Any = _LimitedSocket(sock, deadline, self.max_bytes + MAX_OVERHEAD)
            connection.response_class = _FinalResponse
            connection.sock = limited  # of which a connection uses `sendall`, `makefile` and `close` alone
            connection.request(method, url.path, body, {"Host": url.authority, **_HEADERS, **headers})
            with connection.getresponse() as response:
                _check_framing(response.headers)
                yield response


class _FinalResponse(http.client.HTTPResponse):
    """The response that follows the interim ones (RFC 9110, section 15.2), 103 Early Hints for one."""

    def _read_status(self) -> tuple[str, int, str]:
        """Read a status line; the standard library skips responses with the status 100 alone."""
        while True:
            found: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]  # is not in its stubs
            if not 100 < found[1] < 200 or found[1] == HTTPStatus.SWITCHING_PROTOCOLS:
                return found
            http.client.parse_headers(self.fp)

    def _read_next_chunk_size(self) -> int:
        """Read the length of a chunk; the standard library takes a sign, "0x" and "_" for parts of one."""
        length = self.fp.readline(_MAX_CHUNK_LINE).partition(b";")[0].strip()
        if not _CHUNK_LENGTH.fullmatch(length):
            raise http.client.HTTPException("a chunk's length is none")
        return int(length, 16)


def _check_framing(headers: http.client.HTTPMessage) -> None:
    """Refuse a body whose end depends on who reads it (RFC 9112, section 6.3).

    The standard library takes a transfer coding other than "chunked" for none, and a length that is no
    number for an absent one.
    """
    codings = [
        coding.strip().lower() for coding in ",".join(headers.get_all("Transfer-Encoding", ())).split(",")
    ]
    if codings not in ([""], ["chunked"]):
        raise http.client.HTTPException("the body has a transfer coding that is not read here")
    lengths = {length.strip() for length in ",".join(headers.get_all("Content-Length", ())).split(",")}
    if len(lengths) > 1 or not _LENGTH.fullmatch(lengths.pop()):
        raise http.client.HTTPException("the body's length is ambiguous")


class _LimitedSocket:
    """A connected socket within a deadline.

    Args:
        sock: the socket, which its owner closes.
        deadline: of everything that is sent and received.
        max_bytes: how many are read at most, those of headers and framing included.
    """

    def __init__(self, sock: socket.socket, deadline: Deadline, max_bytes: int) -> None:
        self._sock = sock
        self._deadline = deadline
        self._max_bytes = max_bytes

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(self._deadline.left())
        self._sock.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_LimitedReader(self._sock, self._deadline, self._max_bytes))

    def close(self) -> None:
        """Leave the socket open: a response is read after its connection object has let go of it."""


class _LimitedReader(io.RawIOBase):
    """What arrives on a socket, until time or bytes are used up."""

    def __init__(self, sock: socket.socket, deadline: Deadline, max_bytes: int) -> None:
        self._sock = sock
        self._deadline = deadline
        self._max_bytes = self._left = max_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(self._deadline.left())
        count = self._sock.recv_into(buffer)
        self._left -= count
        if self._left < 0:
            raise ResponseTooLarge(f"the response has more than the {self._max_bytes:,} bytes that are taken")
        return count
