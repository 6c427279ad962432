"""A service with every kind of route, and what its handlers do."""

from __future__ import annotations

import asyncio
import functools
import io
from collections.abc import Iterator
from typing import Any

import flask
from flask import Response, abort, current_app, g, jsonify, make_response, redirect, request, session, url_for

from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.errors import InvalidRequest, TooManyRequests, Unavailable
from aylien_model_serving.web.app import ServingFlask
from examples import example_schema_pb2

TIMEOUT = 0.01  # seconds


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


def answer_response(text: str) -> Response:
    response = Response(text, 201, {"X-Own": "yes", "Cache-Control": "no-store"}, content_type="text/plain")
    response.set_cookie("seen", "1")
    response.headers.add("X-Twice", "1")
    response.headers.add("X-Twice", "2")
    return response


def answer_status(status: int) -> Response:
    return Response("a body" if status not in (204, 304) else None, status)


def answer_made(text: str) -> Response:
    return make_response(text, 203, {"X-Made": "yes"})


def answer_json(text: str) -> Response:
    return jsonify(text=text)


def answer_redirect(to: str) -> Any:
    return redirect(to)


def answer_file() -> Response:
    response = flask.send_file(
        io.BytesIO(b"its bytes"), "text/csv", as_attachment=True, download_name="ä.csv"
    )
    response.date = None  # differs from second to second
    return response


def answer_streamed() -> Response:
    return Response((piece for piece in (b"one,", b"two")), content_type="text/csv")


def answer_streamed_with_context() -> Response:
    def pieces() -> Iterator[str]:
        yield request.path
        yield current_app.name

    return Response(flask.stream_with_context(pieces()), content_type="text/plain")


def give_up(status: int) -> None:
    abort(status)


def give_up_with_words() -> None:
    abort(422, description="in so many words")


def give_up_with_a_response() -> None:
    abort(make_response("that is that", 418))


def use_request(**fields: Any) -> dict[str, Any]:
    """Tell whatever a handler may ask of Flask's request."""
    return {
        "fields": fields,
        "method": request.method,
        "path": request.path,
        "full_path": request.full_path,
        "url": request.url,
        "host": request.host,
        "endpoint": request.endpoint,
        "rule": str(request.url_rule),
        "view_args": request.view_args,
        "blueprint": request.blueprint,
        "args": request.args.to_dict(flat=False),
        "form": request.form.to_dict(flat=False),
        "files": {name: file.read() for name, file in request.files.items()},
        "json": request.get_json(silent=True),
        "data": request.get_data(),
        "stream": request.stream.read(),
        "length": request.content_length,
        "type": request.content_type,
        "headers": sorted((name.lower(), value) for name, value in request.headers.items()),
        "cookies": request.cookies.to_dict(),
        "remote": request.remote_addr,
        "contexts": [flask.has_request_context(), flask.has_app_context()],
        "app": current_app.name,
        "same_app": flask.globals.request_ctx.app is current_app._get_current_object(),  # type: ignore[attr-defined]
    }


def use_g() -> list[Any]:
    before = g.get("count")
    g.count = 1
    return [before, "count" in g, g.count]


def use_session(add: int = 0) -> int:
    if add:
        session["count"] = session.get("count", 0) + add
    count: int = session.get("count", 0)
    return count


def keep_session() -> str:
    session.permanent = True
    session["kept"] = True
    return "kept"


def ignore_session() -> str:
    return "ignored"


def use_url_for() -> list[str]:
    return [url_for("echo"), url_for("greet", lang="en", number=1), url_for("echo", _external=True)]


def answer_after(text: str) -> dict[str, Any]:
    @flask.after_this_request
    def add_header(response: Response) -> Response:
        response.headers["X-After"] = text
        response.status_code = 202
        return response

    return {"text": text}


def fail_after(text: str) -> dict[str, Any]:
    @flask.after_this_request
    def fail(response: Response) -> Response:
        raise ValueError(text)

    return {"text": text}


def answer_after_a_failure() -> None:
    flask.after_this_request(_mark)
    raise InvalidRequest("refused, and marked")


def _mark(response: Response) -> Response:
    response.headers["X-Marked"] = "yes"
    return response


def use_contexts_within() -> list[str]:
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # what is behind the proxy
    with app.app_context():
        inner = current_app.name
    with app.test_request_context("/inner"):
        inner_path = request.path
    copied = flask.copy_current_request_context(lambda: request.path)
    return [inner, inner_path, request.path, copied()]


def stream(count: int) -> Iterator[int]:
    yield from range(count)


def stream_and_fail() -> Iterator[int]:
    yield 1
    raise ValueError("in its middle")


@FlaskAppWrapper.metrics.do_not_track()
def untracked(**fields: Any) -> str:
    return "not counted"


POST, GET = ["POST"], ["GET"]


def _route(endpoint: str, target: Any, methods: list[str] = POST, **keys: Any) -> dict[str, Any]:
    return {"endpoint": endpoint, "callable": target, "methods": methods, **keys}


def routes() -> list[dict[str, Any]]:
    """Return a route of every kind."""
    shouter = Shouter("?")
    return [
        _route("/echo", echo),
        _route("/open", open_to_all, ["POST", "PUT", "PATCH", "DELETE"]),
        _route("/closure", closure()),
        _route("/class", Shouter),
        _route("/instance", shouter, name="asking"),
        _route("/method", shouter.quietly),
        _route("/partial", functools.partial(echo, times=2), name="twice"),
        _route("/lambda", lambda text: [text]),
        _route("/view", view),
        _route("/view-with-schema", view_with_schema),
        _route("/text", text_view, GET),
        _route("/greet/<lang>/<int:number>", greet, ["GET", "POST"]),
        _route("/files/<path:name>", find_file, GET, schema=None),
        _route("/folder/", echo, name="folder"),
        _route("/folder/<lang>/", greet, name="inner folder"),
        _route("/größe", echo, name="size"),
        _route("/search", search, GET),
        _route("/options", echo, ["POST", "OPTIONS"], name="with options"),
        _route("/upload", measure),
        _route("/detect", detect, schema=example_schema_pb2),
        _route("/cached", echo, cache=True, name="cached"),
        _route("/cached-search", search, GET, cache=60, name="cached search"),
        _route("/untracked", untracked),
        *_failing_routes(),
        *_flask_routes(),
    ]


def _failing_routes() -> list[dict[str, Any]]:
    return [
        _route("/value-error", raise_value_error),
        _route("/refuse", refuse),
        _route("/unavailable", be_unavailable, threads=1),
        _route("/too-many", be_over_the_limit, threads=1),
        _route("/nonsense", answer_nonsense, threads=1),
        _route("/against-the-schema", answer_against_the_schema, schema=example_schema_pb2),
        _route("/long", take_long, timeout=TIMEOUT),
        _route("/async", echo_async),
        _route("/async-fails", fail_async),
        _route("/async-request", use_request_async),
        _route("/cached-fails", raise_value_error, cache=True, name="cached failure"),
    ]


def _flask_routes() -> list[dict[str, Any]]:
    return [
        _route("/response", answer_response),
        _route("/status", answer_status),
        _route("/made", answer_made),
        _route("/json", answer_json),
        _route("/redirect", answer_redirect),
        _route("/file", answer_file, ["GET", "POST"], threads=1),
        _route("/streamed", answer_streamed, threads=1),
        _route("/streamed-with-context", answer_streamed_with_context, threads=1),
        _route("/abort", give_up),
        _route("/abort-words", give_up_with_words, threads=1),
        _route("/abort-response", give_up_with_a_response, threads=1),
        _route("/request", use_request, ["GET", "POST"]),
        _route("/request/<name>", use_request, name="named request"),
        _route("/g", use_g, threads=1),
        _route("/session", use_session),
        _route("/keep-session", keep_session, threads=1),
        _route("/ignore-session", ignore_session, threads=1),
        _route("/url-for", use_url_for, threads=1),
        _route("/after", answer_after),
        _route("/after-fails", fail_after),
        _route("/after-failure", answer_after_a_failure, threads=1),
        _route("/contexts", use_contexts_within, threads=1),
        _route("/stream", stream, GET),
        _route("/stream-fails", stream_and_fail, threads=1),
    ]


def service() -> ServingFlask:
    """Return a service with a route of every kind."""
    return FlaskAppWrapper.create_app(routes(), {"SECRET_KEY": "secret"})
