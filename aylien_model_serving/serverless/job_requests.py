"""The input of a RunPod job → the request that it stands for. Sans I/O.

The input is an object with the path of a route and the fields of a call. Files are in it as in any JSON body.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, RequestRedirect

from aylien_model_serving import codecs
from aylien_model_serving.codecs.streaming import EVENT_STREAM
from aylien_model_serving.core.messages import REQUEST_ID_HEADER
from aylien_model_serving.errors import BadRequest, NotFound
from aylien_model_serving.web.adapters import route_table

#: What an input may have beside the fields of a call.
PATH, HEADERS = "path", "headers"

#: The methods by which a route is called, the first that it has; the last takes its fields from the query.
_METHODS = ("POST", "PUT", "PATCH", "DELETE", "GET")

#: Headers that a job may carry, and characters of all of them.
_MAX_HEADERS, _MAX_HEADER_LETTERS = 50, 16_384

#: What says how the body is sent, and what is answered, which is this module's to say.
_NOT_HEADERS = {"accept", "content-encoding", "content-length", "content-type", "host", "transfer-encoding"}

_ACCEPT = f"application/json, {EVENT_STREAM}"


class JobRequest(NamedTuple):
    """A request, as an ASGI server would get it.

    Args:
        method: of HTTP.
        path: decoded.
        query: encoded.
        headers: in lower case.
        body: JSON.
    """

    method: str
    path: str
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def follows(self, method: str, path: str) -> JobRequest:
        """Return a further request of the same caller, without a body."""
        return JobRequest(method, path, headers=(("accept", _ACCEPT), *self._callers()))

    def _callers(self) -> tuple[tuple[str, str], ...]:
        return tuple(pair for pair in self.headers if pair[0] not in _NOT_HEADERS)

    def scope(self) -> dict[str, Any]:
        """Return the scope of an ASGI request."""
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": self.method,
            "scheme": "http",
            "path": self.path,
            "raw_path": quote(self.path).encode(),
            "query_string": self.query.encode(),
            "root_path": "",
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in self.headers],
            "client": None,
            "server": None,
        }


class JobRequests:
    """Makes requests of the inputs of jobs.

    Args:
        rules: Flask's URL map of the app.
        names: of the routes that jobs may call, and no others; each has its path.
    """

    def __init__(self, rules: Map, names: Mapping[str, str]) -> None:
        self._adapter = rules.bind("localhost")
        self._names = names

    def read(self, job_id: str, job_input: Any) -> JobRequest:
        """Return the request of a job.

        Args:
            job_id: by which its request is known in the log.
            job_input: what its client has sent.

        Raises:
            BadRequest: it is no object, or a part of it is of the wrong type.
            NotFound: no route has the path.
        """
        if not isinstance(job_input, Mapping):
            raise BadRequest('The input has to be an object, as {"path": "/predict", "text": "…"}')
        fields = {name: value for name, value in job_input.items() if name not in (PATH, HEADERS)}
        path = self._path(job_input.get(PATH))
        method = self._method(path)
        given = (*_headers(job_input.get(HEADERS)), (REQUEST_ID_HEADER.lower(), job_id), ("accept", _ACCEPT))
        if method == "GET":
            return JobRequest(method, path, _query(fields), given)
        body = codecs.JSON.encode(fields)
        own = (("content-type", "application/json"), ("content-length", str(len(body))))
        return JobRequest(method, path, "", (*given, *own), body)

    def _path(self, given: Any) -> str:
        if given is None and len(self._names) == 1:
            [path] = self._names.values()
            return path
        if given is None:
            raise BadRequest(f"path: which route is called? There are {', '.join(self._names.values())}")
        if not isinstance(given, str):
            raise BadRequest("path: a text is expected, as '/predict'")
        path = f"/{given.strip().strip('/')}"
        if route_table.is_too_long(path):
            raise NotFound(route_table.PATH_TOO_LONG)
        return path

    def _method(self, path: str) -> str:
        """Return the method by which a path is called.

        Raises:
            NotFound: it is no route of the service's.
        """
        allowed = set(self._adapter.allowed_methods(path))
        for method in _METHODS:
            if method in allowed and self._is_served(path, method):
                return method
        raise NotFound(f"There is no route {path[:200]!r}")

    def _is_served(self, path: str, method: str) -> bool:
        try:
            endpoint, _ = self._adapter.match(path, method)
        except (HTTPException, RequestRedirect):
            return False
        return endpoint in self._names


def _headers(given: Any) -> list[tuple[str, str]]:
    """Return the headers that a job carries, as its API key.

    Raises:
        BadRequest: they are no texts, or too many.
    """
    if given is None:
        return []
    if not isinstance(given, Mapping) or not all(isinstance(value, str) for value in given.values()):
        raise BadRequest("headers: an object of texts is expected")
    if len(given) > _MAX_HEADERS or sum(map(len, (*given, *given.values()))) > _MAX_HEADER_LETTERS:
        raise BadRequest(
            f"headers: there may be {_MAX_HEADERS}, of {_MAX_HEADER_LETTERS:,} characters in all"
        )
    pairs = [(name.lower(), value) for name, value in given.items()]
    if not all(name.isascii() and value.isprintable() and _is_latin(value) for name, value in pairs):
        raise BadRequest("headers: a name or a value has characters that no header has")
    return [pair for pair in pairs if pair[0] not in _NOT_HEADERS]


def _is_latin(text: str) -> bool:
    return all(ord(letter) < 256 for letter in text)


def _query(fields: Mapping[str, Any]) -> str:
    """Return fields as a query, lists as repeated names and objects as JSON."""
    return urlencode({name: _words(value) for name, value in fields.items()}, doseq=True)


def _words(value: Any) -> Any:
    if isinstance(value, list):
        return [_words(item) for item in value]
    return value if isinstance(value, str) else json.dumps(value)
