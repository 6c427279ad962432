"""Fuzzed requests as bytes on a connection, their framing broken now and then, and what a server answers."""

from __future__ import annotations

import re
import select
import socket
import time
from dataclasses import dataclass, field
from random import Random

from tests.fuzz.requests import Fuzzed, pieces_of
from tests.fuzz.senders import Answer

#: Seconds for which a client leaves its end open, for an answer, and for the rest of it.
_OPEN_SECONDS = 0.15
_ANSWER_SECONDS = 15.0
_REST_SECONDS = 1.0

#: Bytes of an answer that are read.
_MOST_BYTES = 1_000_000

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})[^\r\n]*\r?\n")


def wire_of(request: Fuzzed, random: Random) -> bytes:
    """Return a request as it is sent, one of six with its frame broken."""
    lines = [b"%s %s HTTP/1.1" % (request.method, request.target)]
    lines += [b"%s: %s" % pair for pair in request.framed()]
    body = _chunks(request, random) if request.chunked else request.body
    head = b"\r\n".join([*lines, b"", b""])
    return _broken(random, head, body) if random.random() < 0.16 else head + body


def _chunks(request: Fuzzed, random: Random) -> bytes:
    extension = random.choice((b"", b"", b";a=b", b";" + b"a" * 5000))
    found = [b"%x%s\r\n%s\r\n" % (len(piece), extension, piece) for piece in pieces_of(request) if piece]
    trailer = random.choice((b"", b"", b"X-API-Key: the-key\r\n", b"no colon\r\n"))
    return b"".join(found) + b"0\r\n" + trailer + b"\r\n"


_LINES = (
    b"Content-Length: 3\r\nContent-Length: 4\r\n",
    b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: xchunked\r\n",
    b"no colon\r\n",
    b": no name\r\n",
    b"X-Space : a\r\n",
    b" folded\r\n",
    b"X-Nul: \0\r\n",
    b"X-Return: a\rb\r\n",
    b"X-Long: " + b"a" * 70_000 + b"\r\n",
    b"".join(b"X-%d: a\r\n" % number for number in range(300)),
    "X-Ü: ü\r\n".encode(),
    b"Expect: 100-continue\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\n",
)
_CHUNKS = (
    b"ffffffffffffffff\r\n",
    b"-1\r\n",
    b"zz\r\n",
    b"5\r\nab",
    b"0x5\r\nabcde\r\n",
    b"f" * 5000 + b"\r\n",
    b"\r\n",
)


def _broken(random: Random, head: bytes, body: bytes) -> bytes:
    first, _, rest = head.partition(b"\r\n")
    match random.randrange(6):
        case 0:
            at = random.randrange(len(head))
            return head[:at] + bytes((random.randrange(256),)) + head[at + 1 :] + body
        case 1:
            return first + b"\r\n" + random.choice(_LINES) + rest + body
        case 2:
            version = random.choice(
                (b"HTTP/1.0", b"HTTP/0.9", b"HTTP/9.9", b"HTTP/2.0", b"HTTP/1", b"", b"X")
            )
            return head.replace(b"HTTP/1.1", version, 1) + body
        case 3:
            return head.replace(b"\r\n", random.choice((b"\n", b"\r", b"\r\r\n"))) + body
        case 4:
            chunked = first + b"\r\nTransfer-Encoding: chunked\r\n" + rest
            return chunked + random.choice(_CHUNKS)
    return (head + body)[: random.randrange(1, len(head) + len(body) + 1)]


@dataclass
class WireAnswer:
    """What came back on a connection: the final answer, if there was one."""

    answer: Answer | None = None
    seconds: float = 0.0
    raw: bytes = field(default=b"", repr=False)


def ask(port: int, sent: bytes) -> WireAnswer:
    """Send bytes on a connection of their own, and read what comes for them."""
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=_ANSWER_SECONDS) as connection:
        received = _exchange(connection, sent)
    return WireAnswer(_parsed(received), time.monotonic() - began, received)


def _exchange(connection: socket.socket, sent: bytes) -> bytes:
    """Send all; the end of what is sent is shown only to a server that seems to wait for more."""
    received, is_open, until = b"", True, time.monotonic() + _ANSWER_SECONDS
    try:
        connection.sendall(sent)
        while time.monotonic() < until and len(received) < _MOST_BYTES:
            patience = _OPEN_SECONDS if is_open and not received else _REST_SECONDS if received else 5.0
            if not select.select([connection], [], [], patience)[0]:
                if received or not is_open:
                    break
                connection.shutdown(socket.SHUT_WR)
                is_open = False
                continue
            piece = connection.recv(65536)
            received += piece
            if not piece or _is_whole(received):
                break
    except OSError:
        pass  # the server has closed the connection, as it may
    return received


def _is_whole(received: bytes) -> bool:
    head, end, body = _final(received).partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return bool(end) and length is not None and len(body) >= int(length[1])


def _final(received: bytes) -> bytes:
    """Return what follows the answers of 1xx."""
    while re.match(rb"HTTP/1\.[01] 1\d\d", received) and b"\r\n\r\n" in received:
        received = received.partition(b"\r\n\r\n")[2]
    return received


def _parsed(received: bytes) -> Answer | None:
    received = _final(received)
    found = _STATUS_LINE.match(received)
    if found is None:
        return None
    head, _, body = received[found.end() :].partition(b"\r\n\r\n")
    pairs = [line.partition(b":")[::2] for line in head.split(b"\r\n") if line]
    return Answer(int(found[1]), [(name, value.strip()) for name, value in pairs], body)
