"""A service whose handlers return background tasks, and the requests that it gets."""

from __future__ import annotations

from collections import Counter
from typing import Any

import flask
from flask import Response, request

from aylien_model_serving import BackgroundTask, BackgroundTasks, TaskResponse
from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.core.messages import current_request_id
from aylien_model_serving.errors import InvalidRequest
from aylien_model_serving.web.app import ServingFlask
from examples import example_schema_pb2
from tests.contracts.adapters import REQUEST_ID, Request
from tests.contracts.cases import HELLO, Case, flask_only, get, one, post
from tests.contracts.flask_handlers import route

#: What the tasks did, in their order.
DIARY: list[tuple[str, str]] = []


def note(words: str) -> None:
    DIARY.append((words, current_request_id.get()))


async def note_async(words: str) -> None:
    note(words)


def fail(words: str) -> None:
    note(words)
    raise ValueError(words)


def answer(text: str) -> TaskResponse[dict[str, str]]:
    return TaskResponse({"text": text}, BackgroundTask(note, words=text))


async def answer_async(text: str) -> TaskResponse[dict[str, str]]:
    return TaskResponse({"text": text}, BackgroundTask(note_async, text))


def answer_batch(text: list[str]) -> list[Any]:
    return [TaskResponse({"text": item}, BackgroundTask(note, item)) for item in text]


def answer_with_several(text: str) -> TaskResponse[str]:
    tasks = BackgroundTasks([BackgroundTask(note, "first")])
    tasks.add_task(fail, "second")
    tasks.add_task(note_async, "third")
    tasks.add_task(BackgroundTask(note, "last"))
    return TaskResponse(text, tasks)


def answer_response(text: str) -> TaskResponse[Response]:
    return TaskResponse(Response(text, 201), BackgroundTask(note, text))


def answer_streamed_response(text: str) -> TaskResponse[Response]:
    return TaskResponse(Response(piece for piece in text), BackgroundTask(note, text))


def answer_bodiless(text: str) -> TaskResponse[Response]:
    return TaskResponse(Response(status=204), BackgroundTask(note, text))


def answer_with_request(text: str) -> TaskResponse[str]:
    return TaskResponse(request.path, BackgroundTask(note, text))


def answer_with_another_response(text: str) -> TaskResponse[str]:
    flask.after_this_request(lambda _: Response("another", 202))
    return TaskResponse(text, BackgroundTask(note, text))


def answer_nonsense(text: str) -> TaskResponse[object]:
    return TaskResponse(object(), BackgroundTask(note, text))


def answer_stream(text: str) -> Any:
    return TaskResponse((letter for letter in text), BackgroundTask(note, text))


def refuse(text: str) -> Any:
    raise InvalidRequest(text)


def detect(title: str) -> TaskResponse[dict[str, Any]]:
    found = {"version": "1", "language": title, "confidence": 0.5}
    return TaskResponse(found, BackgroundTask(note, title))


def view() -> Response:
    return FlaskAppWrapper.process_json(answer)


def view_with_its_own_answer() -> dict[str, Any]:
    return {"answered": FlaskAppWrapper.process_json(answer).get_json()}


def service() -> ServingFlask:
    """Return the service."""
    app = FlaskAppWrapper.create_app(
        [
            route("/answer", answer, ["GET", "POST"], warmup={"text": "warm"}),
            route("/async", answer_async),
            route("/batch", answer_batch, batch=True),
            route("/several", answer_with_several),
            route("/response", answer_response),
            route("/streamed", answer_streamed_response),
            route("/bodiless", answer_bodiless),
            route("/request", answer_with_request),
            route("/another", answer_with_another_response),
            route("/nonsense", answer_nonsense),
            route("/stream", answer_stream),
            route("/refuse", refuse),
            route("/detect", detect, schema=example_schema_pb2),
            route("/cached", answer, cache=True, name="cached"),
            route("/view", view),
            route("/own-view", view_with_its_own_answer),
        ]
    )
    app.config["SEEN"] = []
    return app


TASKS: dict[str, tuple[Case, list[str]]] = {
    "a function": (one(200, post("/answer", HELLO)), ["hello"]),
    "a query": (one(200, get("/answer?text=a")), ["a"]),
    "a HEAD": (one(200, Request("HEAD", "/answer?text=a")), ["a"]),
    "an async handler": (one(200, post("/async", HELLO)), ["hello"]),
    "an item of a batch": (one(200, post("/batch", HELLO)), ["hello"]),
    "a failure among several": (one(200, post("/several", HELLO)), ["first", "second", "third", "last"]),
    "a Flask response": (one(201, post("/response", HELLO)), ["hello"]),
    "a Flask response that is streamed": (one(200, post("/streamed", HELLO)), ["hello"]),
    "an answer without a body": (one(204, post("/bodiless", HELLO)), ["hello"]),
    "a handler that uses Flask's request": (one(200, post("/request", HELLO)), ["hello"]),
    "a response that took the answer's place": (one(202, post("/another", HELLO)), ["hello"]),
    "a schema": (one(200, post("/detect", {"title": "en"})), ["en"]),
    "an answer that can't be sent": (one(500, post("/nonsense", HELLO)), []),
    "a stream with tasks": (one(500, post("/stream", HELLO)), []),
    "a refusal": (one(400, post("/refuse", HELLO)), []),
    "a view": (flask_only(200, post("/view", HELLO)), ["hello"]),
    "a view that makes its own answer": (flask_only(200, post("/own-view", HELLO)), ["hello"]),
    "a kept answer": (Case((post("/cached", HELLO), post("/cached", HELLO)), (200, 200)), ["hello"]),
}


def expected(tasks: list[str], adapters: int) -> Counter[tuple[str, str]]:
    """Return what the diary holds when a case has been sent through every adapter."""
    return Counter({(words, REQUEST_ID): adapters * count for words, count in Counter(tasks).items()})
