"""Requests that are large in every way in which one can be: their cost has to grow as their size does."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

from tests.fuzz.requests import Fuzzed

#: Bytes of what is blown up; of headers and of queries, where servers have limits of their own.
_BODY_BYTES = (20_000, 60_000, 200_000)
_HEAD_BYTES = (4_000, 16_000, 60_000)

_JSON = (b"Content-Type", b"application/json")
_FORM = (b"Content-Type", b"application/x-www-form-urlencoded")
_MULTIPART = (b"Content-Type", b"multipart/form-data; boundary=cut")
_PROTOBUF = (b"Content-Type", b"application/x-protobuf")

_PATHS = (
    b"/echo",
    b"/open",
    b"/verbatim",
    b"/hinted",
    b"/order",
    b"/cached",
    b"/request",
    b"/view",
    b"/work",
)
_MESSAGES = (b"/detect", b"/numbers", b"/known", b"/cached-numbers", b"/view-with-schema")


def blow_up(random: Random, request: Fuzzed) -> Fuzzed:
    """Return a request with a large body, or with a large head."""
    if random.random() < 0.3:
        return random.choice(_HEADS)(request, random.choice(_HEAD_BYTES))
    make, header = random.choice(_BODIES)
    paths = _MESSAGES if header is _PROTOBUF or random.random() < 0.2 else _PATHS
    return Fuzzed(b"POST", random.choice(paths), (header,), make(random.choice(_BODY_BYTES)))


def _repeated(start: bytes, piece: bytes, end: bytes) -> Callable[[int], bytes]:
    """Return what makes a body of a piece that is repeated."""
    return lambda size: start + piece * (size // len(piece)) + end


def _numbered(start: bytes, piece: bytes, joint: bytes, end: bytes) -> Callable[[int], bytes]:
    """Return what makes a body of pieces with a number in each."""

    def make(size: int) -> bytes:
        count = size // (len(piece) + len(joint) + 3)
        return start + joint.join(piece % number for number in range(count)) + end

    return make


def _base64(size: int) -> bytes:
    return b'{"text":"a","image":"' + base64.b64encode(bytes(size * 3 // 4)) + b'"}'


_PART = b'--cut\r\nContent-Disposition: form-data; name="%d"\r\n\r\na\r\n'
_HEAD = b'--cut\r\nContent-Disposition: form-data; name="text"'

_BODIES: tuple[tuple[Callable[[int], bytes], tuple[bytes, bytes]], ...] = (
    (_numbered(b"{", b'"k%d":0', b",", b"}"), _JSON),
    (_numbered(b"{", b'"k%d":0', b",", b',"k0":1}'), _JSON),
    (_numbered(b'{"text":"a","x":{', b'"k%d":":"', b",", b"}}"), _JSON),
    (_numbered(b'{"text":', b'{"\\u006b%d":[', b"", b""), _JSON),
    (_repeated(b'{"text":[', b"{},", b"{}]}"), _JSON),
    (_repeated(b'{"values":[', b"0,", b"0]}"), _JSON),
    (_repeated(b'{"values":[', b'"0",', b'"0"]}'), _JSON),
    (_repeated(b'{"values":[', b"1.5e300,", b"0]}"), _JSON),
    (_repeated(b'{"text":[', b"[],", b"[]]}"), _JSON),
    (_repeated(b'{"text":"', b"\\u00e9", b'"}'), _JSON),
    (_repeated(b'{"text":"', b":", b'"}'), _JSON),
    (_repeated(b'{"', b"k", b'":1}'), _JSON),
    (_repeated(b"", b" ", b"{}"), _JSON),
    (_repeated(b'{"text":', b"9", b"}"), _JSON),
    (_repeated(b'{"box":{"points":[', b'{"x":1,"tags":{"a":1}},', b'{"x":1}]}}'), _JSON),
    (_repeated(b'{"name":"a","parts":[', b'{"name":"a"},', b'{"name":"b"}]}'), _JSON),
    (_repeated(b'{"any":{"@type":"x","a":[', b"1,", b"1]}}"), _JSON),
    (_base64, _JSON),
    (_repeated(b"text=", b"%41", b""), _FORM),
    (_numbered(b"", b"a%d=1", b"&", b""), _FORM),
    (_repeated(b"text=a", b"&a", b""), _FORM),
    (_repeated(b"text=", b"+", b""), _FORM),
    (_numbered(b"", _PART, b"", b"--cut--\r\n"), _MULTIPART),
    (_repeated(_HEAD + b"\r\n\r\n", b"\r\n--cu", b"\r\n--cut--\r\n"), _MULTIPART),
    (_repeated(_HEAD, b"; a=b", b"\r\n\r\na\r\n--cut--\r\n"), _MULTIPART),
    (_repeated(_HEAD, b"\r\nX-A: b", b"\r\n\r\na\r\n--cut--\r\n"), _MULTIPART),
    (_repeated(b"", b"\r\n", b""), _MULTIPART),
    (_repeated(b"", b"\x0a\0", b""), _PROTOBUF),
    (_repeated(b"", b"\x09\0\0\0\0\0\0\xf0\x3f", b""), _PROTOBUF),
    (_repeated(b"", b"\x50\1", b""), _PROTOBUF),
    (_repeated(b"", b"\x42\2\x1a\0", b""), _PROTOBUF),
    (_repeated(b"", b"\xff", b""), _PROTOBUF),
    (_repeated(b"", b"\x12\1a", b""), _PROTOBUF),
)


def _target(piece: bytes) -> Callable[[Fuzzed, int], Fuzzed]:
    def change(request: Fuzzed, size: int) -> Fuzzed:
        joint = b"&" if b"?" in request.target else b"?"
        return replace(request, target=request.target + joint + piece * (size // len(piece)))

    return change


def _value(name: bytes, piece: bytes) -> Callable[[Fuzzed, int], Fuzzed]:
    return lambda request, size: request.with_headers((name, piece * (size // len(piece))))


def _many(name: bytes, value: bytes) -> Callable[[Fuzzed, int], Fuzzed]:
    return lambda request, size: request.with_headers(*[(name, value)] * (size // len(name + value)))


def _many_names(request: Fuzzed, size: int) -> Fuzzed:
    return request.with_headers(*((b"X-%d" % number, b"a") for number in range(size // 10)))


_HEADS: tuple[Callable[[Fuzzed, int], Fuzzed], ...] = (
    _target(b"a=1&"),
    _target(b"%41"),
    _target(b"/"),
    _value(b"Accept", b"a/b;q=0.5,"),
    _value(b"Accept", b";"),
    _value(b"Cookie", b"a=b;"),
    _value(b"Cookie", b'"'),
    _value(b"X-Forwarded-For", b"1.2.3.4, "),
    _value(b"If-None-Match", b'"a",'),
    _value(b"Range", b"0-1,"),
    _value(b"Content-Type", b"; a=b"),
    _value(b"Accept-Language", b"en-"),
    _value(b"Authorization", b"a "),
    _value(b"Origin", b"http://a,"),
    _value(b"Host", b"a."),
    _value(b"Access-Control-Request-Headers", b"a,"),
    _many(b"X-A", b"a"),
    _many(b"Cookie", b"a=b"),
    _many(b"Accept", b"a/b"),
    _many(b"X-Forwarded-For", b"1.2.3.4"),
    _many_names,
)


def bodies(size: int) -> list[Fuzzed]:
    """Return every kind of large body, for a path of each kind that reads it."""
    return [
        Fuzzed(b"POST", path, (header,), make(size))
        for make, header in _BODIES
        for path in (b"/numbers", b"/known", *(() if header is _PROTOBUF else (b"/verbatim", b"/hinted")))
    ]


def heads(size: int, targets: Sequence[bytes]) -> list[Fuzzed]:
    """Return every kind of large head, for some targets."""
    return [change(Fuzzed(b"GET", target), size) for change in _HEADS for target in targets]
