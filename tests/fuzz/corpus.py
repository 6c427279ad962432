"""Requests that were once answered as none may be, found by the fuzz run, and their right answers."""

from __future__ import annotations

from dataclasses import dataclass

from tests.contracts import files
from tests.fuzz.requests import Fuzzed

_JSON = (b"Content-Type", b"application/json")
_FORM = (b"Content-Type", b"application/x-www-form-urlencoded")
_MULTIPART = (b"Content-Type", b"multipart/form-data; boundary=cut")
_DIGITS = b"9" * 5000

_NAMELESS = b"--cut\r\nContent-Disposition: form-data; na\r\n\r\na\r\n--cut--\r\n"
_NAMELESS_FILE = b'--cut\r\nContent-Disposition: form-data; filename="x"\r\n\r\na\r\n--cut--\r\n'


@dataclass(frozen=True)
class Entry:
    """One request and the statuses that may answer it."""

    request: Fuzzed
    statuses: tuple[int, ...]


def _get(target: bytes, *headers: tuple[bytes, bytes]) -> Fuzzed:
    return Fuzzed(b"GET", target, headers)


def _post(target: bytes, body: bytes, *headers: tuple[bytes, bytes]) -> Fuzzed:
    return Fuzzed(b"POST", target, headers or (_JSON,), body)


CORPUS = {
    "a part of a form without a name": Entry(_post(b"/echo", _NAMELESS, _MULTIPART), (400,)),
    "a part of a form without a name for any field": Entry(_post(b"/request", _NAMELESS, _MULTIPART), (400,)),
    "a file of a form without a name": Entry(_post(b"/upload", _NAMELESS_FILE, _MULTIPART), (400,)),
    "an empty label of a host": Entry(_get(b"/request", (b"Host", b"a..b")), (400,)),
    "a host of punycode without a name": Entry(_get(b"/request", (b"Host", b"xn--")), (400,)),
    "bytes in the query of the metrics": Entry(_get(b"/metrics?name[]=\xc3"), (400,)),
    "bytes in the query of Flask's request": Entry(_get(b"/request?a=\xc3"), (400,)),
    "a number beyond all doubles": Entry(
        _post(b"/numbers", b'{"values":[1.5,1' + b"0" * 400 + b"]}"), (400,)
    ),
    "digits in a form of a message": Entry(_post(b"/known", b"number=" + _DIGITS, _FORM), (400,)),
    "signs in a query of a message": Entry(_get(b"/known?number=+-5"), (400,)),
    "an Any without its value": Entry(
        _post(b"/known", b'{"any":{"@type":"type.googleapis.com/google.protobuf.Duration"}}'), (400,)
    ),
    "an Any of another shape": Entry(_post(b"/known", b'{"any":[1]}'), (400,)),
    "a length of digits": Entry(_post(b"/echo", b"{}", _JSON, (b"Content-Length", _DIGITS)), (400,)),
    "a length of digits for a view": Entry(
        _post(b"/view", b"{}", _JSON, (b"Content-Length", _DIGITS)), (400,)
    ),
    "a length of digits for no path": Entry(
        _post(b"/none", b"{}", _JSON, (b"Content-Length", _DIGITS)), (400,)
    ),
    "a page before a number of digits": Entry(_get(b"/jobs?before=" + b"9" * 20), (200, 400)),
    "a list in a set of anything": Entry(_post(b"/typed", b'{"anything": [1, []]}'), (400,)),
    "a client that waits for a decoder for ever": Entry(
        _post(b"/describe", b'{"image": "%s"}' % files.TEXT.encode(), _JSON, (b"X-Request-Timeout", b"4e9")),
        (200,),
    ),
    "brackets in a text that is no object": Entry(_post(b"/echo", b'"[{[{"'), (400,)),
    "brackets in a long text that is no object": Entry(_post(b"/echo", b'"' + b"[{" * 9000 + b'"'), (400,)),
    "numbers near the limits of doubles": Entry(
        _post(b"/verbatim", b'{"values":[' + b"1e308," * 30_000 + b"1]}"), (200,)
    ),
    "numbers beyond the limits of doubles": Entry(
        _post(b"/verbatim", b'{"values":[' + b"1e308," * 30_000 + b"1e309]}"), (400,)
    ),
}
