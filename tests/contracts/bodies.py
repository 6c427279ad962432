"""A service whose handlers take a whole body, and the requests that it gets through every adapter."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

from aylien_model_serving import Body, MediaFile
from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.web.app import ServingFlask
from tests.contracts.adapters import Request
from tests.contracts.cases import FORM, JSON, MULTIPART_TYPE, Case, get, post, send
from tests.contracts.flask_handlers import GET, route


@dataclass
class Iris:
    petal: float
    tags: list[str] = field(default_factory=list)


def measure(features: Iris) -> dict[str, Any]:
    return asdict(features)


async def measure_async(number: int, features: Iris) -> list[Any]:
    return [number, features.petal]


def measure_batch(features: list[Iris]) -> list[float]:
    return [one.petal for one in features]


def total(rows: Annotated[list[Iris], Body()]) -> float:
    return sum(row.petal for row in rows)


def give_back(value: Any, /) -> Any:
    return value


def sums(rows: Annotated[list[list[float]], Body()]) -> list[float]:
    return [sum(row) for row in rows]


def shout(text: str) -> str:
    return text.upper()


def size(data: bytes) -> int:
    return len(data)


def look(file: MediaFile) -> list[Any]:
    return [file.content_type, len(file.content)]


def service() -> ServingFlask:
    """Return a service whose routes take whole bodies."""
    return FlaskAppWrapper.create_app(
        [
            route("/iris", measure, methods=[*GET, "POST"]),
            route("/iris/<int:number>", measure_async, methods=[*GET, "POST"]),
            route("/irises", measure_batch, name="irises", batch=True),
            route("/cached-iris", measure, name="cached_iris", cache=True),
            route("/total", total, cache=True),
            route("/value", give_back, methods=[*GET, "POST"]),
            route("/sums", sums, batch=True),
            route("/shout", shout),
            route("/size", size),
            route("/look", look),
        ]
    )


def one(status: int, request: Request) -> Case:
    return Case((request,), (status,), build=service)


TEXT = ("content-type", "text/plain")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
IRIS = {"petal": 1.5, "tags": ["a"]}
MULTIPART = (
    b'--cut\r\nContent-Disposition: form-data; name="petal"\r\n\r\n1.5\r\n'
    b'--cut\r\nContent-Disposition: form-data; name="tags"\r\n\r\na\r\n--cut--\r\n'
)

CASES = {
    "a structured body": one(200, post("/iris", IRIS)),
    "a structured query": one(200, get("/iris?petal=1.5&tags=a")),
    "a structured form": one(200, send("/iris", b"petal=1.5&tags=a", FORM)),
    "a structured multipart form": one(200, send("/iris", MULTIPART, MULTIPART_TYPE)),
    "a structured body beside a path": one(200, post("/iris/7", IRIS)),
    "a structured query beside a path": one(200, get("/iris/7?petal=1.5")),
    "a structured body of a batch": one(200, post("/irises", IRIS)),
    "fields within a name": one(400, post("/iris", {"features": IRIS})),
    "a field of another type": one(400, post("/iris", {"petal": "1.5"})),
    "no field": one(400, post("/iris", {})),
    "a structured query of a POST": one(200, send("/iris?petal=1.5&tags=a", b"")),
    "fields of body and query": one(400, post("/iris?petal=1.5", {"tags": ["a"]})),
    "a query beside an array": one(400, post("/total?scale=2", [IRIS])),
    "an array": one(200, post("/total", [IRIS, IRIS])),
    "an array with what does not fit": one(400, post("/total", [IRIS, {"petal": "1"}])),
    "an object for an array": one(400, post("/total", IRIS)),
    "an empty body for an array": one(400, send("/total", b"", JSON)),
    "arrays that are kept": Case(
        (post("/total", [IRIS]), send("/total", b'[ {"tags": ["a"], "petal": 1.50}]', JSON)),
        (200, 200),
        build=service,
    ),
    "an array under a form's type": one(200, send("/value", b"[1, 2]", FORM)),
    "a number": one(200, send("/value", b"1.5", JSON)),
    "a null": one(200, send("/value", b"null", JSON)),
    "an object for any value": one(200, post("/value", {"a": 1})),
    "a query for any value": one(200, get("/value?a=1")),
    "an array of a batch": one(200, post("/sums", [1, 2])),
    "a text": one(200, send("/shout", "ä".encode(), TEXT)),
    "a text with its charset": one(
        200, send("/shout", b"\xe4", ("content-type", 'Text/Plain; charset="ISO-8859-1"'))
    ),
    "a text in an unknown charset": one(
        415, send("/shout", b"a", ("content-type", "text/plain; charset=utf-7"))
    ),
    "a text that is not UTF-8": one(400, send("/shout", b"\xe4", TEXT)),
    "a field under a text's type": one(200, send("/shout", b' {"text": "a"}', TEXT)),
    "a text that is another object": one(200, send("/shout", b'{"text": "a", "b": 1}', TEXT)),
    "bytes": one(200, send("/size", b"\x00\xff", ("content-type", "application/octet-stream"))),
    "bytes of another type": one(200, send("/size", b"\x00\xff", ("content-type", "application/pdf"))),
    "a file": one(200, send("/look", PNG, ("content-type", "image/png"))),
    "a file of no type": one(200, send("/look", PNG, ("content-type", "application/octet-stream"))),
    "no file": one(400, send("/look", b"", ("content-type", "image/png"))),
    "a text for fields": one(415, send("/iris", b"a", TEXT)),
    "bytes for a text": one(415, send("/shout", b"\x00", ("content-type", "image/png"))),
    "structured bodies that are kept": Case(
        (post("/cached-iris", IRIS), send("/cached-iris", b'{"tags": ["a"], "petal": 1.50}', JSON)),
        (200, 200),
        build=service,
    ),
}
