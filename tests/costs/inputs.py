"""What a client may send to make a service work: each kind of input, of any length.

A new codec, checker or reader of headers gets its rows here.
"""

from __future__ import annotations

import datetime as dt
import gzip
import random
import uuid
import zlib
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import pydantic

from aylien_model_serving import Body, MediaFile, codecs, schemas
from aylien_model_serving.codecs import content_codings, file_responses, protobuf
from aylien_model_serving.core.messages import Call, deadline_of
from aylien_model_serving.dispatch.page_policy import needs_policy
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.schemas import Schema
from aylien_model_serving.web.adapters.asgi_to_wsgi import environ_of
from aylien_model_serving.web.adapters.request_info import RequestInfo, ScopeHeaders
from tests.costs.measuring import Work
from tests.costs.messages import ITEM, REPEATED, record

TEXT, FORM, MULTIPART, PROTOBUF = (
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=xx",
    "application/x-protobuf",
)


class Input(NamedTuple):
    """One kind of input.

    Args:
        name: of the test.
        work: returns what a service does with an input of so many bytes.
        media_type: of the body, for those that are bodies.
    """

    name: str
    work: Callable[[int], Work]
    media_type: str = ""


class Texts(pydantic.BaseModel):
    a: list[str]


class Distinct(pydantic.BaseModel):
    a: set[int]


class Row(pydantic.BaseModel):
    name: str
    first: int
    second: int
    third: float
    fourth: float
    other: str


class Rows(pydantic.BaseModel):
    a: list[Row]


class Mixed(pydantic.BaseModel):
    a: list[int | float | bool | dt.date | dt.datetime | uuid.UUID | Decimal | IPv4Address]


class Tree(pydantic.BaseModel):
    a: list[int | float | str | Tree]


class Closed(pydantic.BaseModel, extra="forbid"):
    a: int = 0


def _schema(declared: Any, hint: Any = None) -> Schema:
    def handler(a: Any) -> None: ...

    def open_handler(**fields: Any) -> None: ...

    handler.__annotations__ = {} if hint is None else {"a": hint}
    chosen = handler if hint is not None or declared not in (None, (ITEM, None)) else open_handler
    return schemas.choose(declared, chosen, Signature.of(chosen))


OPEN, MESSAGES, TEXT_SCHEMA = _schema(None), _schema((ITEM, None)), _schema(None, str)


def _answered(schema: Schema, body: bytes, media_type: str, method: str = "POST", query: str = "") -> Work:
    call = Call(method, "/", query, {"content-type": media_type}, body, {}, "id")

    def work() -> object:
        return schema.arguments(codecs.decode(call, schema.decoders), {})

    return work


def _body(name: str, make: Callable[[int], bytes], media_type: str, schema: Schema = OPEN) -> Input:
    return Input(name, lambda size: _answered(schema, make(size), media_type), media_type)


def repeated(unit: bytes, size: int, head: bytes = b"", tail: bytes = b"", separator: bytes = b"") -> bytes:
    """Return a text of about `size` bytes that consists of one unit, again and again."""
    times = max(1, (size - len(head) - len(tail)) // (len(unit) + len(separator)))
    return head + separator.join([unit] * times) + tail


def numbered(form: str, size: int, separator: str = ",") -> bytes:
    """Return so many bytes of units with a number each."""
    unit = len(form % 99_999) + len(separator)
    return separator.join(form % number for number in range(size // unit)).encode()


def _listed(unit: bytes, last: bytes = b"") -> Callable[[int], bytes]:
    return lambda size: repeated(unit, size, b'{"a":[', b"," + last + b"]}" if last else b"]}", b",")


def _json(name: str, make: Callable[[int], bytes], hint: Any = None, declared: Any = None) -> Input:
    schema = OPEN if hint is None and declared is None else _schema(declared, hint)
    return _body(f"JSON: {name}", make, "application/json", schema)


JSON_SHAPES = [
    _json("the last key twice", lambda size: b"{" + numbered('"%05x":0', size) + b',"00001":0}'),
    _json("one key again and again", lambda size: repeated(b'"a":0', size, b"{", b"}", b",")),
    _json("equal keys in many objects", _listed(b'{"a":0,"a":0}')),
    _json("a late equal key", _listed(b'{"a":0}', b'{"a":0,"a":0}')),
    _json("many keys", lambda size: b"{" + numbered('"%05x":0', size) + b"}"),
    _json("a long key", lambda size: b'{"' + b"a" * size + b'":0}'),
    _json("a long key twice", lambda size: b'{"%b":0,"%b":0}' % (b"a" * (size // 2), b"a" * (size // 2))),
    _json("long keys", _listed(b'{"' + b"a" * 500 + b'":0}')),
    _json("empty objects", _listed(b"{}")),
    _json("empty arrays", _listed(b"[]")),
    _json("deep arrays", _listed(b"[" * 60 + b"]" * 60)),
    _json("deep objects", _listed(b'{"":' * 30 + b"0" + b"}" * 30)),
    _json("too deep arrays", lambda size: b"[" * size),
    _json("numbers", _listed(b"0")),
    _json("long floats", _listed(b"1.2345678901234567890123e-300")),
    _json("a long integer", lambda size: b'{"a":' + b"9" * size + b"}"),
    _json("integers of 4,000 digits", _listed(b"9" * 4000)),
    _json("a long float", lambda size: b'{"a":0.' + b"9" * size + b"}"),
    _json("short texts", _listed(b'"ab"')),
    _json("colons in texts", _listed(b'"::"')),
    _json("escaped colons", _listed(b'"\\u003a"')),
    _json("surrogate pairs", lambda size: repeated(b"\\ud83d\\ude00", size, b'{"a":"', b'"}')),
    _json("a late lone surrogate", lambda size: repeated(b"\\n", size, b'{"a":"', b'\\ud83d"}')),
    _json("not UTF-8", lambda size: repeated("é".encode(), size, b'{"a":"', b'\xff"}')),
    _json("white space", lambda size: b" " * size + b"{}"),
]


def colliding(size: int, head: bytes, tail: bytes) -> bytes:
    """Return an array of so many bytes of integers that have one hash, each between a head and a tail."""
    return b"[" + b",".join(head + b"%d" % (n * (2**61 - 1)) + tail for n in range(1, size // 24)) + b"]"


JSON_HINTS = [
    _json("unexpected fields", lambda size: b"{" + numbered('"%05x":0', size) + b"}", int),
    _json("a text that is no choice", lambda size: b'{"a":"' + b"x" * size + b'"}', Literal["b", "c"]),
    _json(
        "a set of integers that collide",
        lambda size: b'{"a":' + colliding(size, b"", b"") + b"}",
        set[int],
    ),
    _json(
        "a model's set of texts that collide as integers",
        lambda size: b'{"a":' + colliding(size, b'"', b'"') + b"}",
        declared=(Distinct, None),
    ),
    _json(
        "a set of integers",
        lambda size: b'{"a":[' + b",".join(b"%d" % (number << 40) for number in range(1, size // 17)) + b"]}",
        set[int],
    ),
    _json("an array", _listed(b"[0]"), np.ndarray),
    _json("a ragged array", _listed(b"[0]", b"0"), np.ndarray),
    _json(
        "an array of texts, one of which is long",
        lambda size: repeated(b'""', size // 2, b'{"a":["' + b"a" * (size // 2) + b'",', b"]}", b","),
        np.ndarray,
    ),
    _json("files", _listed(b'"AAAA"'), list[MediaFile]),
    _json(
        "files below a long key",
        lambda size: (
            b'{"a":{"%b":%b}}' % (b"k" * (size // 2), repeated(b'"AAAA"', size // 2, b"[", b"]", b","))
        ),
        dict[str, list[MediaFile]],
    ),
    _json("URLs", _listed(b'"http://a"'), list[MediaFile]),
    _json("base64", lambda size: repeated(b"AAAA", size, b'{"a":"', b'"}'), MediaFile),
    _json("base64 in lines", lambda size: repeated(b"A\\n", size, b'{"a":"', b'"}'), MediaFile),
    _json("base64 that is none", lambda size: repeated("é".encode(), size, b'{"a":"', b'"}'), MediaFile),
    _json("a data URL of escapes", lambda size: repeated(b"%41", size, b'{"a":"data:,', b'"}'), MediaFile),
    _json("parameters of a data URL", lambda size: b'{"a":"data:' + b";" * size + b',"}', MediaFile),
    _json(
        "a file's name",
        lambda size: b'{"a":{"content":"AAAA","file_name":"' + b"/a" * (size // 2) + b'"}}',
        MediaFile,
    ),
    _json(
        "a file object in a text",
        lambda size: repeated(b"[],", size, b'{"a":"{\\"content\\":[', b'0]}"}'),
        MediaFile,
    ),
    _json("items that fit no type of a union", _listed(b"[]"), declared=(Mixed, None)),
    _json("items of a tree that fit no type of a union", _listed(b"[]"), declared=(Tree, None)),
    _json("items that lack all fields", _listed(b"{}"), declared=(Rows, None)),
    _json("items of a hint that fit no type of a union", _listed(b"[]"), list[int | float | IPv4Address]),
    _json("a model's texts that are none", _listed(b"0"), declared=(Texts, None)),
    _json(
        "a model's unexpected fields",
        lambda size: b"{" + numbered('"%05x":0', size) + b"}",
        declared=(Closed, None),
    ),
]

FORMS = [
    _body("form: escapes", lambda size: b"a=" + b"%41" * (size // 3), FORM),
    _body("form: escapes and letters", lambda size: b"a=" + b"%41b" * (size // 4), FORM),
    _body("form: percent signs", lambda size: b"a=" + b"%" * size, FORM),
    _body("form: plus signs", lambda size: b"a=" + b"+" * size, FORM),
    _body("form: ampersands", lambda size: b"&" * size, FORM),
    _body("form: one name again and again", lambda size: b"a=1&" * (size // 4), FORM),
    _body("form: letters that are not ASCII", lambda size: b"a=" + "é%C3%A9".encode() * (size // 8), FORM),
    _body(
        "form: a set of texts that collide as integers",
        lambda size: b"a=" + colliding(size, b'"', b'"'),
        FORM,
        _schema(None, set[int]),
    ),
    Input("query: escapes", lambda size: _answered(OPEN, b"", "", "GET", "a=" + "%41" * (size // 3))),
    Input(
        "query: 999 fields",
        lambda size: _answered(
            OPEN, b"", "", "GET", "&".join(f"a{n}=" + "%41" * (size // 3000) for n in range(999))
        ),
    ),
]

_DISPOSITION = b'Content-Disposition: form-data; name="a"'


def _parts(
    name: str, head: Callable[[int], bytes], content: Callable[[int], bytes] = lambda _: b"x"
) -> Input:
    def make(size: int) -> bytes:
        return b"--xx\r\n" + head(size) + b"\r\n\r\n" + content(size) + b"\r\n--xx--\r\n"

    return _body(f"multipart: {name}", make, MULTIPART)


def _disposition(_: int) -> bytes:
    return _DISPOSITION


MULTIPARTS = [
    _body(
        "multipart: parts",
        lambda size: (b"--xx\r\n" + _DISPOSITION + b"\r\n\r\nx\r\n") * (size // 60) + b"--xx--\r\n",
        MULTIPART,
    ),
    _parts("headers", lambda size: _DISPOSITION + b"\r\nX: y" * (size // 6)),
    _parts("lines of one header", lambda size: _DISPOSITION + b"\r\n y" * (size // 4)),
    _parts("parameters", lambda size: _DISPOSITION + b"; a=b" * (size // 5)),
    _parts("quoted pairs", lambda size: _DISPOSITION + b'; b="' + b'\\"' * (size // 2) + b'"'),
    _parts("semicolons", lambda size: _DISPOSITION + b";" * size),
    _parts("a file's name", lambda size: _DISPOSITION + b'; filename="' + b"/a" * (size // 2) + b'"'),
    _parts("line ends", _disposition, lambda size: b"\r\n" * (size // 2)),
    _parts("boundaries that are none", _disposition, lambda size: b"\r\n--x" * (size // 5)),
    _parts("boundaries within lines", _disposition, lambda size: b" --xx" * (size // 5)),
    _parts("not UTF-8", _disposition, lambda size: "é".encode() * (size // 2) + b"\xff"),
    _body(
        "multipart: a set of texts that collide as integers",
        lambda size: (
            b"--xx\r\n" + _DISPOSITION + b"\r\n\r\n" + colliding(size, b'"', b'"') + b"\r\n--xx--\r\n"
        ),
        MULTIPART,
        _schema(None, set[int]),
    ),
    _body("multipart: a long preamble", lambda size: b"\r\n--x" * (size // 5), MULTIPART),
    _body("multipart: no boundary", lambda size: b"x" * size, MULTIPART),
]

#: An item of each repeated field in JSON, and one that does not fit.
_ITEMS: Mapping[str, bytes] = {
    "enums": b'"C1"',
    "ints": b"1",
    "longs": b'"1"',
    "floats": b"1",
    "texts": b'"a"',
    "blobs": b'"AAAA"',
    "items": b"{}",
    "values": b"{}",
    "anys": b"{}",
    "times": b'"1970-01-01T00:00:00Z"',
}


def _field(name: str, unit: bytes, last: bytes = b"") -> Callable[[int], bytes]:
    return lambda size: _listed(unit, last)(size).replace(b'"a"', f'"{name}"'.encode(), 1)


MESSAGES_AS_JSON = [
    *(
        _body(f"message: {name}", _field(name, unit), "application/json", MESSAGES)
        for name, unit in _ITEMS.items()
    ),
    *(
        _body(
            f"message: {name}, the last one wrong",
            _field(name, unit, b'[["x"]]'),
            "application/json",
            MESSAGES,
        )
        for name, unit in _ITEMS.items()
    ),
    _body(
        "message: a map",
        lambda size: b'{"map":{' + numbered('"%05x":0', size) + b"}}",
        "application/json",
        MESSAGES,
    ),
    _body(
        "message: unknown fields",
        lambda size: b"{" + numbered('"%05x":0', size) + b"}",
        "application/json",
        MESSAGES,
    ),
    _body(
        "message: an integer's digits",
        lambda size: b'{"ints":["' + b"9" * size + b'"]}',
        "application/json",
        MESSAGES,
    ),
]


def _packed(unit: bytes) -> Callable[[str, int], bytes]:
    return lambda field, size: record(field, unit * (size // len(unit)))


def _single(content: bytes) -> Callable[[str, int], bytes]:
    return lambda field, size: record(field, content) * (size // (len(content) + 2))


_WIRE: Mapping[str, tuple[str, Callable[[str, int], bytes]]] = {
    "packed enums": ("enums", _packed(b"\x01")),
    "packed enums of no name": ("enums", _packed(b"\x64")),
    "packed integers": ("ints", _packed(b"\x01")),
    "packed long integers": ("longs", _packed(b"\x01")),
    "packed floats": ("floats", _packed(b"\x00\x00\x80\x3f")),
    "packed doubles that are no numbers": ("doubles", _packed(b"\x00\x00\x00\x00\x00\x00\xf8\x7f")),
    "packed booleans": ("bools", _packed(b"\x01")),
    "texts": ("texts", _single(b"a")),
    "bytes": ("blobs", _single(b"")),
    "empty messages": ("items", _single(b"")),
    "messages of messages": ("items", _single(record("items", b""))),
    "deep messages": ("items", _single(b"")),
    "structs": ("structs", _single(b"")),
    "values": ("values", _single(b"\x32\x00")),
    "any": ("anys", _single(b"")),
    "times": ("times", _single(b"\x08\x01")),
    "times and nanoseconds": ("times", _single(b"\x08\x01\x10\x01")),
    "durations": ("spans", _single(b"\x08\x01")),
    "durations and nanoseconds": ("spans", _single(b"\x08\x01\x10\x01")),
    "a map": ("map", _single(b"\x0a\x01k\x10\x01")),
}


def _on_wire(name: str, field: str, make: Callable[[str, int], bytes]) -> Input:
    return _body(f"protobuf: {name}", lambda size: make(field, size), PROTOBUF, MESSAGES)


MESSAGES_ON_WIRE = [_on_wire(name, *made) for name, made in _WIRE.items()]


def _headers(pairs: list[tuple[bytes, bytes]]) -> Work:
    scope: Any = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "http_version": "1.1"}
    return lambda: (ScopeHeaders(pairs), environ_of({**scope, "headers": pairs}, b"", RequestInfo(None)))


def _accept(header: str) -> Work:
    encoders = (codecs.JSON, protobuf.encoder(ITEM))

    def work() -> object:
        file_responses.encoder_for.cache_clear()
        return (
            codecs.choose_encoder(header, encoders),
            codecs.preferred_media_types(header),
            file_responses.encoder_for(header),
        )

    return work


def _shown(unit: str, size: int) -> Work:
    return lambda: needs_policy({"content-type": f"a/b{unit * (size // len(unit))},"})


def _packed(body: bytes, coding: str) -> Work:
    return lambda: content_codings.unpacked(body, coding, None)


def _members(size: int) -> bytes:
    """Return as many members of gzip as may be, each with its part of a size."""
    return gzip.compress(bytes(size // content_codings.MAX_MEMBERS)) * content_codings.MAX_MEMBERS


CODINGS = [
    Input("gzip: noise", lambda size: _packed(gzip.compress(random.Random(0).randbytes(size)), "gzip")),
    Input("gzip: zeros", lambda size: _packed(gzip.compress(bytes(20 * size)), "gzip")),
    Input("gzip: members", lambda size: _packed(_members(100 * size), "gzip")),
    Input("deflate: blocks of nothing", lambda size: _packed(_empty_blocks(size), "deflate")),
    Input("Content-Encoding: commas", lambda size: _packed(b"", "," * size)),
]


def _empty_blocks(size: int) -> bytes:
    packer = zlib.compressobj()
    flushed = b"\x00\x00\x00\xff\xff"
    return packer.flush(zlib.Z_SYNC_FLUSH) + flushed * (size // 5) + packer.flush()


HEADERS = [
    Input("headers: one name again and again", lambda size: _headers([(b"a", b"b")] * (size // 6))),
    Input(
        "headers: all names twice",
        lambda size: _headers([(b"n%d" % (n // 2), b"v") for n in range(size // 10)]),
    ),
    *(
        Input(f"Accept: {name}", lambda size, unit=unit: _accept(unit * (size // len(unit))))  # type: ignore[misc]
        for name, unit in {
            "commas": ",",
            "ranges": "a/b;q=0.1,",
            "semicolons": ";",
            "one range": "*/*,",
        }.items()
    ),
    Input(
        "X-Request-Timeout: digits", lambda size: lambda: deadline_of(None, {"x-request-timeout": "9" * size})
    ),
    *(
        Input(f"Content-Type of an answer: {unit!r}", partial(_shown, unit))
        for unit in ("; ", "; a=b", '; a="', " ")
    ),
    Input("Content-Type: parameters", lambda size: _answered(OPEN, b"x", MULTIPART + "; a=b" * (size // 5))),
    Input(
        "Content-Type: quoted pairs",
        lambda size: _answered(OPEN, b"x", 'multipart/form-data; boundary="' + '\\"' * (size // 2)),
    ),
]

#: Bodies that are the value of one parameter.
VALUES = [
    _body("text: letters", lambda size: "é".encode() * (size // 2), TEXT, TEXT_SCHEMA),
    _body("text: a field as JSON", lambda size: repeated(b"\\n", size, b'{"a":"', b'"}'), TEXT, TEXT_SCHEMA),
    _body("text: many keys", lambda size: b"{" + numbered('"%05x":0', size) + b"}", TEXT, TEXT_SCHEMA),
    _body(
        "JSON: an array as the body",
        lambda size: repeated(b"1", size, b"[", b"]", b","),
        "application/json",
        _schema(None, Annotated[list[int], Body()]),
    ),
]

INPUTS = [
    *VALUES,
    *JSON_SHAPES,
    *JSON_HINTS,
    *FORMS,
    *MULTIPARTS,
    *MESSAGES_AS_JSON,
    *MESSAGES_ON_WIRE,
    *CODINGS,
    *HEADERS,
]

assert set(_ITEMS) <= set(REPEATED)
