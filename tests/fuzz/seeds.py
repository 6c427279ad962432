"""The requests that are mutated: those of the contract suite, and some for each of the service's routes."""

from __future__ import annotations

import base64
import io
import json
import urllib.parse
import wave
from typing import Any

from google.protobuf.json_format import ParseDict

from examples import example_schema_pb2
from tests.contracts import cases, files
from tests.fuzz.requests import Fuzzed, of_contract
from tests.fuzz.service import KEY, known_schema, numbers_schema, routes

#: Stands for the id of a job that the service has.
JOB = b"{job}"

_JSON = (b"Content-Type", b"application/json")
_FORM = (b"Content-Type", b"application/x-www-form-urlencoded")
_PROTOBUF = (b"Content-Type", b"application/x-protobuf")
_MULTIPART = (b"Content-Type", b"multipart/form-data; boundary=cut")


def _post(path: str, fields: Any, *headers: tuple[bytes, bytes], **keys: Any) -> Fuzzed:
    return Fuzzed(b"POST", path.encode(), (_JSON, *headers), json.dumps(fields).encode(), **keys)


def _get(path: str, *headers: tuple[bytes, bytes], method: bytes = b"GET") -> Fuzzed:
    return Fuzzed(method, path.encode(), headers)


def _part(name: str, value: bytes, more: str = "") -> bytes:
    head = f'--cut\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'
    return head.encode() + value + b"\r\n"


def _form(path: str, *parts: bytes, **keys: Any) -> Fuzzed:
    return Fuzzed(b"POST", path.encode(), (_MULTIPART,), b"".join(parts) + b"--cut--\r\n", **keys)


def _fields() -> list[Fuzzed]:
    box = {"points": [{"x": 1, "y": 2.5, "tags": {"a": 1}}, {"x": 0}], "colour": "blue"}
    inner = {"name": "part", "amount": 2, "parts": [{"name": "ü"}]}
    return [
        _post("/echo", {"text": "hello", "times": 2}),
        _post("/verbatim", {"a": [1, 2.5, None, True, "é"], "b": {"c": {"d": []}}, "e": -0.0}),
        _post("/hinted", {"box": box, "kind": "b", "weight": 3}),
        _post("/order", {"name": "a", "amount": 1, "parts": [inner]}),
        _get("/order?name=a&amount=2"),
        _post("/whole", [box, box]),
        _post("/any-value", {"a": [1, None, "é"]}),
        Fuzzed(b"POST", b"/shout", ((b"Content-Type", b"text/plain; charset=utf-8"),), "grüße".encode()),
        Fuzzed(b"POST", b"/length", ((b"Content-Type", b"application/octet-stream"),), b"\x00\xff" * 20),
        Fuzzed(b"POST", b"/message", (_PROTOBUF,), example_schema_pb2.Request(title="a").SerializeToString()),
        _post("/message", {"title": "a", "enrichments": {"extracted": {"value": {"body": "b"}}}}),
        _post("/numbers", {"values": [1, 2.5, -3e300] * 40, "count": 3}),
        _post("/known", _KNOWN),
        *[_post("/typed", _TYPED)] * 2,
        *(_post("/typed", {name: value}) for name, value in _TYPED.items()),
        _get(
            "/typed?size=2&code=abc&ids=12345678-1234-5678-1234-567812345678&either=1&amounts=1.5&amounts=2"
        ),
        _get("/known?number=5&several=1&several=-2&wrapped=1&data=AQ"),
        _post("/batched", {"text": "a", "times": 1}),
        _post("/batched-stream", {"text": "a", "times": 3}),
        _post("/weigh/1.5/12345678-1234-5678-1234-567812345678", {"a": 1}),
        _post("/cached-view", {"text": "a"}),
        _post("/cached-numbers", {"values": [1.5, 2.5]}),
        _post("/timed", {"text": "a"}, (b"X-Request-Timeout", b"1")),
        _post("/threads", {"text": "a"}),
        _post("/limited", {"text": "a"}),
        _post("/background", {"text": "a"}),
        _post("/session", {}, (b"Cookie", b"session=eyJjb3VudCI6MX0.aWxX5Q.x")),
        _post("/view-with-schema", {"title": "en", "enrichments": {"extracted": {"value": {"body": "a"}}}}),
        _post("/detect", {"title": "en", "enrichments": {"extracted": {"value": {"body": "a"}}}}),
        _post("/stream-async", {"text": "letters"}, (b"Accept", b"text/event-stream")),
    ]


_KNOWN = {
    "at": "2026-01-31T12:00:00.5Z",
    "span": "1.5s",
    "any": {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "2s"},
    "struct": {"a": [1, None, {"b": "c"}]},
    "mask": "a.b,c",
    "wrapped": "7",
    "items": [1.5, None, "a", {}],
    "number": "9007199254740993",
    "data": "AQID",
    "several": [1, -2],
}


_TYPED = {
    "options": {"when": "2026-01-31T12:00:00+01:00", "day": "2026-01-31", "span": "P1DT2H"},
    "pairs": [[1, "1.5"], [2]],
    "ids": ["12345678-1234-5678-1234-567812345678"],
    "anything": [1, "a", None],
    "by_number": {"1": 1.5, "-2": 2},
    "by_time": {"2026-01-31T12:00:00Z": "12:00:00"},
    "data": "AQID",
    "size": 4,
    "code": "abc",
    "shape": [1, 2.5],
    "either": [1, 2],
    "array": [[1, 2], [3, 4.5]],
    "amounts": ["1.50", 2, 3.25],
}


def _protobuf() -> list[Fuzzed]:
    enrichments = {"extracted": {"value": {"body": "deep"}}}
    detect = example_schema_pb2.Request(id="1", title="ü", body="b" * 50, enrichments=enrichments)
    numbers = numbers_schema()[0](values=[1.5, float("nan"), float("inf"), -0.0] * 40, count=3)
    known = known_schema()[0]()
    ParseDict(_KNOWN, known)
    few = numbers_schema()[0](values=[1.0, 2.0])
    answer = (b"Accept", b"application/x-protobuf")
    sent = [
        ("/detect", detect),
        ("/view-with-schema", detect),
        ("/numbers", numbers),
        ("/numbers", few),
        ("/cached-numbers", few),
        ("/known", known),
        ("/known", known),
    ]
    return [
        Fuzzed(b"POST", path.encode(), (_PROTOBUF, *more), message.SerializeToString())
        for path, message in sent
        for more in ((), (answer,))
    ]


def _forms() -> list[Fuzzed]:
    return [
        Fuzzed(b"POST", b"/echo", (_FORM,), b"text=a+b%41%C3%A4&times=2"),
        Fuzzed(b"POST", b"/open", (_FORM,), b"a=1&a=2&b=&=c&d;e=f"),
        _form("/upload", _part("label", b"a label"), _part("file", b"\0\xff\1", '; filename="x"')),
        _form("/echo", _part("text", "ä".encode()), _part("times", b"2"), chunked=True),
        _form("/describe", _part("image", files.PNG, '; filename="a.png"\r\nContent-Type: image/png')),
        _form("/upload", _part("file", b"a", "; filename*=utf-8''%c3%a4"), _part("file", b"b")),
    ]


def _media() -> list[Fuzzed]:
    wav = _wav()
    sound, png = base64.b64encode(wav).decode(), files.TEXT
    return [
        _post("/describe", {"image": png}),
        _post("/describe", {"image": f"data:image/png;base64,{png}"}),
        _post("/invert", {"image": {"file_name": "a.png", "content_type": "image/png", "content": png}}),
        _post("/invert", {"image": png}, (b"Accept", b"image/png")),
        _post("/compare", {"images": [png, png], "other": "aGVsbG8="}),
        _post("/listen", {"sound": sound}),
        _post("/watch", {"film": sound}),
        _form("/listen", _part("sound", wav, '; filename="a.wav"')),
        _get("/describe?image=" + urllib.parse.quote(png)),
    ]


def _wav() -> bytes:
    """Return eight silent samples."""
    with io.BytesIO() as file:
        with wave.open(file, "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(8000)
            sound.writeframes(bytes(16))
        return file.getvalue()


def _queries() -> list[Fuzzed]:
    paths = (
        "/search?q=a%20b&limit=3&exact=true /cached-search?q=a&limit=1 /stream?count=3 /greet/en/7?polite=1 "
        "/verbatim?a=1&a=2&b= /request?a=1&b=%C3%A4 /files/a/b%20c.txt /stream-async?text=abc /text / "
        "/response?name=a /__ping /livez /readyz /__runners /__dashboard /mounted-wsgi/a/b /mounted-asgi "
        "/mounted-asgi/a?b=c"
    )
    head = [_get(path, method=b"HEAD") for path in ("/", "/search?q=a", "/stream?count=3", "/docs")]
    options = [_get(path, method=b"OPTIONS") for path in ("/echo", "/greet/en/7", "/jobs", "*")]
    return [*map(_get, paths.split()), *head, *options]


def _pages() -> list[Fuzzed]:
    """Return what asks for the longest answers, which few requests are for."""
    return [*map(_get, ("/docs", "/openapi.json", "/metrics", "/metrics?name[]=flask_http_request_total"))]


def _jobs() -> list[Fuzzed]:
    job = JOB.decode()
    key = (b"Idempotency-Key", b"the-same")
    return [
        _post("/work", {"text": "a", "times": 2}),
        _post("/work", {"text": "a"}, key),
        _post("/work", {"text": "b"}, key, (b"X-Job-Priority", b"5")),
        _post("/report", {"text": "halfway"}),
        _post("/items", {"count": 3}),
        *map(_get, ("/jobs", "/jobs?limit=5&before=7&status=finished&route=work", "/jobs?before=1")),
        *map(_get, (f"/status/{job}", f"/status/{job}?wait=0.01", f"/status?job_id={job}", f"/stream/{job}")),
        _post("/status", {"job_id": job, "wait": 0}),
        Fuzzed(b"POST", f"/status?job_id={job}&wait=0".encode()),
        Fuzzed(b"POST", f"/cancel/{job}".encode()),
    ]


def _contract() -> list[Fuzzed]:
    known = tuple(route["endpoint"].partition("<")[0] for route in routes())
    found = [request for case in cases.CASES.values() for request in case.requests]
    return [
        of_contract(request)
        for request in found
        if len(request.body) < 2000 and request.target.partition("?")[0].startswith(known)
    ]


def seeds() -> list[Fuzzed]:
    """Return all seeds, in an order that stays."""
    own = [*_fields(), *_protobuf(), *_forms(), *_media(), *_queries(), *_jobs()]
    return [*own, *own, *own, *_contract(), *_pages()]


def hosted_seeds() -> list[Fuzzed]:
    """Return requests for the routes that replicas answer."""
    detect = example_schema_pb2.Request(title="en", body="b" * 50).SerializeToString()
    return [
        _post("/hosted", {"text": "a", "times": 2}),
        _get("/hosted?text=a&times=2"),
        _post("/hosted-verbatim", {"a": [1, 2.5, None, True, "é"], "b": {"c": {"d": []}}}),
        _form("/hosted-verbatim", _part("label", b"a label"), _part("file", b"\0\xff\1", '; filename="x"')),
        _post("/hosted-detect", {"title": "en"}),
        Fuzzed(b"POST", b"/hosted-detect", (_PROTOBUF,), detect),
        _post("/hosted-batched", {"text": "a", "times": 1}),
        _post("/hosted-batched-stream", {"text": "a", "times": 3}),
        _get("/hosted-stream?count=3"),
        *_jobs(),
    ]


#: What a client with a key sends.
KEY_HEADER = (b"X-API-Key", KEY.encode())
