"""Handlers of every kind that raise for no argument whatever: what fails in the fuzz run is the library's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

import flask
import msgspec
import numpy as np
import pydantic
from flask import Response, request
from typing_extensions import TypedDict

from aylien_model_serving import (
    AudioFile,
    BackgroundTask,
    Body,
    ImageFile,
    JobProgress,
    MediaFile,
    TaskResponse,
    VideoFile,
)
from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.cached_app_factory import CachedFlaskAppWrapper
from examples import example_schema_pb2
from tests.contracts.services import find_file, greet, measure, search, text_view

__all__ = ["find_file", "greet", "measure", "search", "text_view"]

#: Items of a stream at most, whatever a client asks for.
MOST_ITEMS = 20


def echo(text: str, times: int = 1) -> dict[str, Any]:
    return {"text": text, "times": times}


async def echo_async(text: str) -> dict[str, Any]:
    return {"text": text}


def everything(**fields: Any) -> dict[str, Any]:
    return {name: str(value)[:100] for name, value in fields.items()}


def verbatim(**fields: Any) -> dict[str, Any]:
    return fields


def view() -> Response:
    return FlaskAppWrapper.process_json(echo)


def view_with_schema() -> Response:
    return FlaskAppWrapper.process_json(detect, schema=example_schema_pb2)


def cached_view() -> Response:
    return CachedFlaskAppWrapper.process_json(echo)


def detect(title: str = "", **rest: Any) -> dict[str, Any]:
    return {"version": "1", "language": title, "confidence": 0.5}


def stream(count: int) -> Iterator[int]:
    yield from range(min(count, MOST_ITEMS))


async def stream_async(text: str) -> AsyncIterator[str]:
    for letter in text[:MOST_ITEMS]:
        yield letter


def use_request(**fields: Any) -> dict[str, Any]:
    """Look at everything that Flask's request tells."""
    return {
        "url": request.url,
        "args": request.args.to_dict(flat=False),
        "headers": [list(pair) for pair in request.headers],
        "cookies": dict(request.cookies),
        "types": [request.content_type, request.mimetype, list(request.accept_mimetypes.values())],
        "languages": list(request.accept_languages.values()),
        "conditions": [str(request.range), str(request.if_none_match), str(request.if_modified_since)],
        "authorization": str(request.authorization),
        "address": [request.remote_addr, list(request.access_route)],
        "fields": sorted(fields),
    }


def use_session(**fields: Any) -> dict[str, Any]:
    count: Any = flask.session.get("count", 0)
    flask.session["count"] = 1
    return {"count": count}


def in_the_background(text: str) -> TaskResponse[dict[str, str]]:
    return TaskResponse({"text": text}, BackgroundTask(len, text))


def answer_file(name: str = "a.txt") -> Response:
    return Response(name.encode(errors="replace"), content_type="text/plain")


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Point(msgspec.Struct, forbid_unknown_fields=True):
    x: float
    y: float = 0.0
    tags: dict[str, int] = {}


@dataclass
class Box:
    points: list[Point]
    colour: Colour = Colour.RED


class Order(pydantic.BaseModel):
    name: str
    amount: int = pydantic.Field(default=1, ge=0)
    parts: list[Order] = []


def hinted(box: Box, kind: Literal["a", "b"] = "a", weight: int | None = None) -> dict[str, Any]:
    return {"points": len(box.points), "colour": box.colour.value, "kind": kind, "weight": weight}


def order(order: Order) -> Order:
    return order


def whole(boxes: Annotated[list[Box], Body()]) -> int:
    return len(boxes)


def any_value(value: Any, /) -> Any:
    return value


def shout(text: str) -> str:
    return text.upper()


def size(data: bytes) -> int:
    return len(data)


def message(request: example_schema_pb2.Request) -> example_schema_pb2.Response:
    return example_schema_pb2.Response(language=request.title)


def numbers(values: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, Any]:
    return {"values": np.nan_to_num(values), "count": int(values.size)}


def batched(text: list[str], times: list[int]) -> list[Any]:
    return [{"text": one, "times": each} for one, each in zip(text, times, strict=True)]


def batched_stream(text: list[str], times: list[int]) -> Iterator[list[str]]:
    for _ in range(min(MOST_ITEMS, max(times))):
        yield text


def picture(image: ImageFile) -> dict[str, Any]:
    return {"name": image.file_name, "type": image.content_type, "shape": list(image.to_np_array().shape)}


def invert(image: ImageFile) -> ImageFile:
    return ImageFile.from_np_array(255 - image.to_np_array(), "png", image.file_name)


def listen(sound: AudioFile) -> float:
    return float(sound.seconds)


def watch(film: VideoFile) -> float:
    return float(film.seconds)


def files(images: list[ImageFile], other: MediaFile | None = None) -> dict[str, Any]:
    return {"sizes": [len(image.content) for image in images], "other": other}


def work(text: str, times: int = 1) -> dict[str, Any]:
    return {"text": text, "times": times}


def report(job_progress: JobProgress, text: str = "") -> str:
    job_progress.set_status(0.5, text)
    return text


def work_in_items(count: int) -> Iterator[dict[str, int]]:
    for number in range(min(count, MOST_ITEMS)):
        yield {"number": number}


def mounted_wsgi(environ: Any, start_response: Any) -> list[bytes]:
    body = environ["PATH_INFO"].encode("latin-1")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


async def mounted_asgi(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        for word in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{word}.complete"})
        return
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": str(size).encode()})


class Pair(NamedTuple):
    left: int
    right: Decimal = Decimal(0)


class Options(TypedDict, total=False):
    when: datetime
    day: date
    span: timedelta


def typed(
    options: Options | None = None,
    pairs: list[Pair] | None = None,
    ids: set[UUID] | None = None,
    anything: frozenset[Any] | None = None,
    by_number: dict[int, float] | None = None,
    by_time: dict[datetime, time] | None = None,
    data: bytes = b"",
    size: Annotated[int, msgspec.Meta(ge=0, multiple_of=2)] = 0,
    code: Annotated[str, msgspec.Meta(pattern="^[a-z]{1,5}$", max_length=5)] = "a",
    shape: tuple[int, float] = (1, 1.0),
    either: int | str | list[int] | None = None,
    array: np.ndarray[Any, Any] | None = None,
    amounts: list[Decimal] | None = None,
) -> dict[str, Any]:
    return {
        "options": repr(options),
        "sizes": [len(found or ()) for found in (pairs, ids, anything, by_number, by_time, data)],
        "rest": repr((size, code, shape, either, array is None, amounts))[:200],
    }
