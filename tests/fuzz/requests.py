"""The requests of the fuzz run, as bytes, and what a server makes of them for an application."""

from __future__ import annotations

import io
import urllib.parse
from dataclasses import dataclass, replace
from typing import Any

from tests.contracts.adapters import Request

#: What no server lets through to an application.
_NOT_IN_VALUES = bytes.maketrans(b"\r\n\0", b"   ")
_TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_NOT_IN_TARGETS = bytes(range(33)) + b"\x7f"

#: Bytes of the pieces in which a chunked body arrives.
PIECE_BYTES = 4096


@dataclass(frozen=True)
class Fuzzed:
    """One request, as bytes.

    Args:
        method: of the request line.
        target: of the request line.
        headers: in their order.
        body: as it is sent.
        chunked: whether it has no declared length.
    """

    method: bytes
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    chunked: bool = False

    @property
    def size(self) -> int:
        """The bytes of the request, about."""
        return len(self.target) + len(self.body) + sum(len(name) + len(value) for name, value in self.headers)

    def has(self, name: bytes) -> bool:
        return any(known.lower() == name for known, _ in self.headers)

    def with_headers(self, *added: tuple[bytes, bytes]) -> Fuzzed:
        return replace(self, headers=(*self.headers, *added))

    def deliverable(self) -> Fuzzed:
        """Return the request as the strictest server would let it through."""
        method = bytes(byte for byte in self.method if byte in _TOKEN).upper() or b"GET"
        target = self.target.translate(None, _NOT_IN_TARGETS).partition(b"#")[0] or b"/"
        headers = tuple(
            (bytes(byte for byte in name if byte in _TOKEN) or b"x", value.translate(_NOT_IN_VALUES).strip())
            for name, value in self.headers
        )
        return replace(self, method=method, target=target, headers=headers)

    def framed(self) -> list[tuple[bytes, bytes]]:
        """Return the headers with those that every request has."""
        framing: list[tuple[bytes, bytes]] = []
        if not self.has(b"host"):
            framing.append((b"Host", b"127.0.0.1"))
        if self.chunked:
            framing.append((b"Transfer-Encoding", b"chunked"))
        elif not self.has(b"content-length") and (self.body or self.method == b"POST"):
            framing.append((b"Content-Length", str(len(self.body)).encode()))
        return framing + list(self.headers)


def of_contract(request: Request) -> Fuzzed:
    """Return a request of the contract suite."""
    path, mark, query = request.target.partition("?")
    target = urllib.parse.quote(path, safe="/%:") + mark + urllib.parse.quote(query, safe="/%:&=+;,")
    headers = tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in request.headers)
    return Fuzzed(request.method.encode(), target.encode(), headers, request.body, request.chunked)


def _path_and_query(target: bytes) -> tuple[bytes, bytes]:
    """Return the parts of a target as servers tell them, an absolute one without its authority."""
    if b"://" in target.partition(b"?")[0]:
        rest = target.partition(b"://")[2]
        target = b"/" + rest.partition(b"/")[2]
    path, _, query = target.partition(b"?")
    return path, query


def environ_of(request: Fuzzed) -> dict[str, Any]:
    """Return what a WSGI server passes on."""
    path, query = _path_and_query(request.target)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method.decode("latin-1"),
        "SCRIPT_NAME": "",
        "PATH_INFO": urllib.parse.unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query.decode("latin-1"),
        "RAW_URI": request.target.decode("latin-1"),
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": io.StringIO(),
        "wsgi.input_terminated": True,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in request.framed():
        _add_header(environ, name.decode("latin-1"), value.decode("latin-1"))
    return environ


def _add_header(environ: dict[str, Any], name: str, value: str) -> None:
    if "_" in name:
        return  # servers drop it: it would look like another one
    variable = name.upper().replace("-", "_")
    variable = variable if variable in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + variable
    environ[variable] = f"{environ[variable]},{value}" if variable in environ else value


def scope_of(request: Fuzzed) -> dict[str, Any]:
    """Return what an ASGI server passes on."""
    path, query = _path_and_query(request.target)
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": request.method.decode("latin-1"),
        "scheme": "http",
        "path": urllib.parse.unquote_to_bytes(path).decode("utf-8", "replace"),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.framed()],
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 50000),
    }


def pieces_of(request: Fuzzed) -> list[bytes]:
    """Return the pieces in which a body arrives, one of them at least."""
    size = PIECE_BYTES if request.chunked else max(1, len(request.body))
    return [request.body[at : at + size] for at in range(0, len(request.body), size)] or [b""]
