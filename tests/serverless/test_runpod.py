"""The handler that RunPod's SDK calls, in this process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from aylien_model_serving.errors import ConfigurationError, NotFound
from aylien_model_serving.serverless.runpod import RunPodHandler
from aylien_model_serving.service import Service
from tests.web.asgi_client import NEEDS_A_LOOP

pytestmark = NEEDS_A_LOOP


def answer(service: Service, job_input: Any) -> Any:
    handler = RunPodHandler(service.build(), lambda job, told: None)
    return asyncio.run(handler.answer({"id": "j1", "input": job_input}))


@pytest.fixture
def service() -> Service:
    service = Service("words")

    @service.post("/shout")
    def shout(text: str) -> str:
        return text.upper()

    @service.get("/greet/<name>")
    def greet(name: str, times: int = 1, tags: list[str] | None = None) -> list[Any]:
        return [name, times, tags]

    @service.post("/picture")
    def picture() -> tuple[bytes, dict[str, str]]:
        return b"\x89PNG", {"Content-Type": "image/png"}

    @service.post("/missing")
    def missing() -> None:
        raise NotFound("There is no model of this name")

    @service.post("/count")
    def count(n: int) -> Iterator[int]:
        yield from range(n)

    return service


@pytest.mark.parametrize("path", ["/shout", "shout", "/shout/", " shout "])
def test_a_path_may_be_written_with_or_without_slashes(service: Service, path: str) -> None:
    assert answer(service, {"path": path, "text": "a"}) == "A"


def test_fields_of_a_get_route_go_into_its_query(service: Service) -> None:
    assert answer(service, {"path": "/greet/bob", "times": 2, "tags": ["a", "b&c"]}) == [
        "bob",
        2,
        ["a", "b&c"],
    ]


def test_the_only_route_needs_no_path() -> None:
    service = Service("one")

    @service.post("/shout")
    def shout(text: str) -> str:
        return text.upper()

    assert answer(service, {"text": "a"}) == "A"


def test_an_error_has_its_code_and_its_status(service: Service) -> None:
    assert answer(service, {"path": "/missing"}) == {
        "error": "There is no model of this name",
        "code": "not_found",
        "request_id": "j1",
        "status": 404,
    }


@pytest.mark.parametrize(
    ("job_input", "status", "message"),
    [
        (None, 400, "The input has to be an object"),
        ([1], 400, "The input has to be an object"),
        ({"text": "a"}, 400, "path: which route is called?"),
        ({"path": 5}, 400, "path: a text is expected"),
        ({"path": "/nowhere"}, 404, "There is no route '/nowhere'"),
        ({"path": "/" * 9000 + "a/" * 200}, 404, "No such path"),
        ({"path": "/metrics"}, 404, "There is no route '/metrics'"),
        ({"path": "/__runners"}, 404, "There is no route '/__runners'"),
        ({"path": "/shout", "headers": "a"}, 400, "headers: an object of texts"),
        ({"path": "/shout", "headers": {"a": 1}}, 400, "headers: an object of texts"),
        ({"path": "/shout", "headers": {"a": "1\r\nb: 2"}}, 400, "headers: a name or a value"),
        ({"path": "/shout", "headers": {"a": "語"}}, 400, "headers: a name or a value"),
        ({"path": "/shout", "headers": {"a": "x" * 20_000}}, 400, "headers: there may be 50"),
        ({"path": "/shout"}, 400, "Missing field 'text'"),
        ({"path": "/shout", "text": "a", "more": 1}, 400, "Unexpected field 'more'"),
    ],
)
def test_an_input_that_is_no_call_is_refused(
    service: Service, job_input: Any, status: int, message: str
) -> None:
    told = answer(service, job_input)

    assert (told["status"], told["error"][: len(message)]) == (status, message)


def test_all_items_of_a_stream_are_the_result_of_one_answer(service: Service) -> None:
    assert answer(service, {"path": "/count", "n": 3}) == [0, 1, 2]


def test_a_body_that_is_no_json_is_a_file(service: Service) -> None:
    assert answer(service, {"path": "/picture"}) == {"content_type": "image/png", "content": "iVBORw=="}


def test_jobs_carry_an_api_key_in_their_headers(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_SERVING_API_KEYS", "tester:a-key-of-this-test-alone-0123456789")

    refused = answer(service, {"path": "/shout", "text": "a"})
    answered = answer(
        service,
        {"path": "/shout", "text": "a", "headers": {"X-API-Key": "a-key-of-this-test-alone-0123456789"}},
    )

    assert refused["status"] == 401
    assert answered == "A"


def test_who_is_stopped_stops_the_stream_of_a_handler() -> None:
    service, closed = Service("endless"), threading.Event()

    @service.post("/numbers")
    def numbers(number: int) -> Iterator[int]:
        try:
            while True:
                yield number
        finally:
            closed.set()

    async def stop() -> None:
        items = RunPodHandler(service.build(), lambda job, told: None).stream(
            {"id": "j1", "input": {"path": "/numbers", "number": 1}}
        )
        assert await anext(items) == 1
        await items.aclose()

    asyncio.run(stop())

    assert closed.wait(30)


def test_the_sdk_is_told_whether_a_route_streams_and_how_many_jobs_run_at_once() -> None:
    service = Service("many")
    service.post("/a", threads=2)(lambda: None)
    service.post("/b", batch={"max_size": 7})(lambda texts: texts)

    handler = RunPodHandler(service.build(), lambda job, told: None)

    assert handler.config()["handler"] == handler.answer
    assert handler.modify_concurrency(1) == 7


def test_another_backend_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="backend is 'runpod' or 'fastapi', and not 'sagamaker'"):
        Service("words", backend="sagamaker")
