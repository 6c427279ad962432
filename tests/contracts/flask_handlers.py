"""Bare handlers that use Flask: its responses, its request, its session, its contexts."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import flask
from flask import Response, abort, current_app, g, jsonify, make_response, redirect, request, session, url_for

from aylien_model_serving.errors import InvalidRequest

POST, GET = ["POST"], ["GET"]


def route(endpoint: str, target: Any, methods: list[str] = POST, **keys: Any) -> dict[str, Any]:
    return {"endpoint": endpoint, "callable": target, "methods": methods, **keys}


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
    """Return whatever a handler may read from Flask's request."""
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


def flask_routes() -> list[dict[str, Any]]:
    return [
        route("/response", answer_response),
        route("/status", answer_status),
        route("/made", answer_made),
        route("/json", answer_json),
        route("/redirect", answer_redirect),
        route("/file", answer_file, ["GET", "POST"], threads=1),
        route("/streamed", answer_streamed, threads=1),
        route("/streamed-with-context", answer_streamed_with_context, threads=1),
        route("/abort", give_up),
        route("/abort-words", give_up_with_words, threads=1),
        route("/abort-response", give_up_with_a_response, threads=1),
        route("/request", use_request, ["GET", "POST"]),
        route("/request/<name>", use_request, name="named request"),
        route("/g", use_g, threads=1),
        route("/session", use_session),
        route("/keep-session", keep_session, threads=1),
        route("/ignore-session", ignore_session, threads=1),
        route("/url-for", use_url_for, threads=1),
        route("/after", answer_after),
        route("/after-fails", fail_after),
        route("/after-failure", answer_after_a_failure, threads=1),
        route("/contexts", use_contexts_within, threads=1),
    ]
