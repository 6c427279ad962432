"""A service with every kind of route, and what its handlers do."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterator
from typing import Any

from flask import Response, request

from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.errors import InvalidRequest, TooManyRequests, Unavailable
from aylien_model_serving.web.app import ServingFlask
from examples import example_schema_pb2
from tests.contracts.flask_handlers import GET, flask_routes, route

TIMEOUT = 0.2  # seconds, in which a call reaches its handler on a busy machine
PATIENCE = 60.0  # seconds


def echo(text: str, times: int = 1) -> dict[str, Any]:
    return {"text": text * times}


def open_to_all(**fields: Any) -> dict[str, Any]:
    return fields


def closure() -> Any:
    prefix = "closed over: "

    def answer(text: str) -> dict[str, Any]:
        return {"text": prefix + text}

    return answer


class Shouter:
    def __init__(self, mark: str = "!") -> None:
        self._mark = mark

    def __call__(self, text: str) -> dict[str, Any]:
        return {"text": text.upper() + self._mark}

    def quietly(self, text: str) -> dict[str, Any]:
        return {"text": text.lower()}


def view() -> Response:
    return FlaskAppWrapper.process_json(echo)


def view_with_schema() -> Response:
    return FlaskAppWrapper.process_json(detect, schema=example_schema_pb2)


def text_view() -> tuple[str, int, dict[str, str]]:
    return "plain text", 202, {"X-Own": "yes"}


def greet(lang: str, number: int = 1, polite: bool = False) -> dict[str, Any]:
    return {"lang": lang, "number": number, "polite": polite}


def find_file(name: str) -> dict[str, Any]:
    return {"name": name}


def search(q: str, limit: int = 10, exact: bool = False) -> dict[str, Any]:
    return {"q": q, "limit": limit, "exact": exact}


def measure(file: bytes, label: str = "") -> dict[str, Any]:
    return {"bytes": len(file), "label": label}


def detect(title: str = "", **rest: Any) -> dict[str, Any]:
    return {"version": "1", "language": title, "confidence": 0.5}


def raise_value_error(text: str) -> None:
    raise ValueError(f"no way with {text}")


def refuse(text: str) -> None:
    raise InvalidRequest(f"not {text}")


def be_unavailable() -> None:
    raise Unavailable(retry_after=7)


def be_over_the_limit() -> None:
    raise TooManyRequests("slowly, please")


def answer_nonsense() -> Any:
    return object()


def answer_against_the_schema(title: str = "") -> dict[str, Any]:
    return {"no such field": 1}


async def take_long() -> None:
    await asyncio.Event().wait()


async def echo_async(text: str) -> dict[str, Any]:
    return {"text": text}


async def fail_async(text: str) -> None:
    raise ValueError(text)


async def use_request_async(text: str) -> dict[str, Any]:
    return {"text": text, "agent": request.headers.get("User-Agent"), "path": request.path}


def stream(count: int) -> Iterator[int]:
    yield from range(count)


def stream_and_fail() -> Iterator[int]:
    yield 1
    raise ValueError("in its middle")


@FlaskAppWrapper.metrics.do_not_track()
def untracked(**fields: Any) -> str:
    return "not counted"


def routes() -> list[dict[str, Any]]:
    """Return a route of every kind."""
    shouter = Shouter("?")
    return [
        route("/echo", echo),
        route("/open", open_to_all, ["POST", "PUT", "PATCH", "DELETE"]),
        route("/closure", closure()),
        route("/class", Shouter),
        route("/instance", shouter, name="asking"),
        route("/method", shouter.quietly),
        route("/partial", functools.partial(echo, times=2), name="twice"),
        route("/lambda", lambda text: [text]),
        route("/view", view),
        route("/view-with-schema", view_with_schema),
        route("/text", text_view, GET),
        route("/greet/<lang>/<int:number>", greet, ["GET", "POST"]),
        route("/files/<path:name>", find_file, GET, schema=None),
        route("/folder/", echo, name="folder"),
        route("/folder/<lang>/", greet, name="inner folder"),
        route("/größe", echo, name="size"),
        route("/search", search, GET),
        route("/options", echo, ["POST", "OPTIONS"], name="with options"),
        route("/upload", measure),
        route("/detect", detect, schema=example_schema_pb2),
        route("/cached", echo, cache=True, name="cached"),
        route("/cached-search", search, GET, cache=60, name="cached search"),
        route("/untracked", untracked),
        *_failing_routes(),
        *flask_routes(),
    ]


def _failing_routes() -> list[dict[str, Any]]:
    return [
        route("/value-error", raise_value_error),
        route("/refuse", refuse),
        route("/unavailable", be_unavailable, threads=1),
        route("/too-many", be_over_the_limit, threads=1),
        route("/nonsense", answer_nonsense, threads=1),
        route("/against-the-schema", answer_against_the_schema, schema=example_schema_pb2),
        route("/long", take_long, timeout=TIMEOUT),
        route("/patient", take_long, timeout=PATIENCE, name="patient"),
        route("/async", echo_async),
        route("/async-fails", fail_async),
        route("/async-request", use_request_async),
        route("/stream", stream, GET),
        route("/stream-fails", stream_and_fail, threads=1),
        route("/cached-fails", raise_value_error, cache=True, name="cached failure"),
    ]


def service() -> ServingFlask:
    """Return a service with a route of every kind."""
    return FlaskAppWrapper.create_app(routes(), {"SECRET_KEY": "secret"})
