"""What every adapter needs of a request: start time, id, path and headers."""

from __future__ import annotations

import time
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

from werkzeug.http import HTTP_STATUS_CODES

from aylien_model_serving.core import callers
from aylien_model_serving.core.callers import NOBODY, Caller
from aylien_model_serving.core.messages import REQUEST_INFO as REQUEST_INFO
from aylien_model_serving.core.messages import choose_request_id


class RequestInfo:
    """A request's start time, id and caller.

    Args:
        offered_id: the id that the client sent.
    """

    __slots__ = ("_caller_token", "caller", "request_id", "start")

    def __init__(self, offered_id: str | None) -> None:
        self.start = time.perf_counter()
        self.request_id = choose_request_id(offered_id)
        self.caller = NOBODY

    def set_caller(self, caller: Caller) -> None:
        """Set the caller, also that of log lines and handlers until `reset_caller`."""
        self._caller_token = callers.current.set(caller)
        self.caller = caller
        noted = callers.noted.get()
        if noted is not None:
            noted.append(caller)

    def reset_caller(self) -> None:
        """Have what follows belong to the caller before, if one was set; called where `set_caller` was."""
        if self.caller is not NOBODY:
            callers.current.reset(self._caller_token)

    def seconds(self) -> float:
        """Return the seconds since the request arrived."""
        return time.perf_counter() - self.start


#: Status lines as Flask's responses have them.
STATUS_LINES = {status: f"{status} {phrase.upper()}" for status, phrase in HTTP_STATUS_CODES.items()}

#: Statuses whose answers have no body (RFC 9110, section 6.4.1).
BODILESS = frozenset((*range(100, 200), 204, 304))


def path_of(environ: Mapping[str, Any]) -> str:
    """Return the path of a WSGI request as text; PEP 3333 passes its bytes as Latin-1."""
    path: str = environ.get("PATH_INFO", "")
    return path if path.isascii() else path.encode("latin-1").decode("utf-8", "replace")


class EnvironHeaders(Mapping[str, str]):
    """The headers of a WSGI environ by lower-case name; a name is translated when it is read.

    Args:
        environ: PEP 3333's dictionary.
    """

    __slots__ = ("_environ",)

    def __init__(self, environ: Mapping[str, Any]) -> None:
        self._environ = environ

    def __getitem__(self, name: str) -> str:
        value: str = self._environ[_VARIABLES.get(name) or _variable(name)]
        return value

    def get(self, name: str, default: Any = None) -> Any:
        return self._environ.get(_VARIABLES.get(name) or _variable(name), default)

    def is_plain(self, hosts: Container[str | bytes | None]) -> bool:
        """Return whether the host is one of these, and nothing tells of a browser."""
        environ = self._environ
        return (
            environ.get("HTTP_HOST") in hosts
            and "HTTP_ORIGIN" not in environ
            and "HTTP_SEC_FETCH_SITE" not in environ
        )

    def __iter__(self) -> Iterator[str]:
        for variable in self._environ:
            if variable.startswith("HTTP_"):
                yield variable[5:].replace("_", "-").lower()
            elif variable in ("CONTENT_TYPE", "CONTENT_LENGTH"):
                yield variable.replace("_", "-").lower()

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _variable(name: str) -> str:
    variable = name.replace("-", "_").upper()
    return variable if variable in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + variable


#: Translated once: these are read at every request.
_VARIABLES = {
    name: _variable(name)
    for name in ("content-type", "content-length", "content-encoding", "accept", "x-request-timeout")
}


def headers_by_name(pairs: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Return headers by name, values of a repeated one joined: cookies as in RFC 9113, section 8.2.3.

    Left out are names with an underscore, which a WSGI environ can't tell from those with a hyphen: a proxy
    that takes a header away, or sets it, means the name with hyphens.
    """
    listed = list(pairs)
    found = dict(listed)
    if len(found) < len(listed):
        found = _joined(listed)
    return found if b"_" not in b"".join(found) else dict(hyphenated(found.items()))


def hyphenated(pairs: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the headers without those whose name has an underscore."""
    return [pair for pair in pairs if b"_" not in pair[0]]


def _joined(pairs: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    values: dict[bytes, list[bytes]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return {name: (b"; " if name == b"cookie" else b",").join(given) for name, given in values.items()}


class ScopeHeaders(Mapping[str, str]):
    """The headers of an ASGI scope by lower-case name; repeated ones are joined as RFC 9110 allows.

    Args:
        pairs: the scope's pairs of bytes.
    """

    __slots__ = ("_values",)

    def __init__(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        self._values = headers_by_name(pairs)

    def __getitem__(self, name: str) -> str:
        return self._values[name.encode()].decode("latin-1")

    def get(self, name: str, default: Any = None) -> Any:
        value = self._values.get(name.encode())
        return default if value is None else value.decode("latin-1")

    def is_plain(self, hosts: Container[str | bytes | None]) -> bool:
        """Return whether the host is one of these, and nothing tells of a browser."""
        values = self._values
        return values.get(b"host") in hosts and b"origin" not in values and b"sec-fetch-site" not in values

    def __iter__(self) -> Iterator[str]:
        return (name.decode("latin-1") for name in self._values)

    def __len__(self) -> int:
        return len(self._values)
