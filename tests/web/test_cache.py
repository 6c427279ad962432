"""The response cache: the `cache` key of a route, `CachedFlaskAppWrapper`, and the backends."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from aylien_model_serving.app_factory import FlaskAppWrapper, InvalidRequest
from aylien_model_serving.cached_app_factory import CachedFlaskAppWrapper
from examples import example_schema_pb2
from examples.example_schema_pb2 import Request, Response
from tests.web.requests import post, route, serve

PATIENCE = 10.0  # seconds after which a test that waits has failed


class Counting:
    """A handler that says how often it has run."""

    def __init__(self, label: str = "a") -> None:
        self.label, self.runs = label, 0

    def __call__(self, **fields: Any) -> dict[str, Any]:
        self.runs += 1
        return {"label": self.label, "run": self.runs}


def by_key(handler: Any) -> FlaskClient:
    return serve(route(handler, cache=True))


def by_wrapper(handler: Any) -> FlaskClient:
    def view() -> Any:
        return CachedFlaskAppWrapper.process_json(handler)

    return CachedFlaskAppWrapper.create_app([route(view)]).test_client()


WAYS = pytest.mark.parametrize("way", [by_key, by_wrapper])


def runs(*answers: Any) -> list[int]:
    return [answer.get_json()["run"] for answer in answers]


def found(*answers: Any) -> list[str | None]:
    return [answer.headers.get("X-Cache") for answer in answers]


@WAYS
def test_an_equal_request_is_answered_from_the_cache(way: Callable[[Any], FlaskClient]) -> None:
    client = way(Counting())

    answers = [
        post(client, b'{"a": 1, "b": {"c": 2, "d": 3}}'),
        post(client, b'\n{ "b":{"d":3,"c":2},"a":1 }'),
        post(client, b'{"a": 2, "b": {"c": 2, "d": 3}}'),
    ]

    assert runs(*answers) == [1, 1, 2]
    assert found(*answers) == ["miss", "hit", "miss"]
    assert {answer.content_type for answer in answers} == {"application/json"}


@WAYS
def test_each_answer_from_the_cache_has_the_id_of_its_own_request(way: Callable[[Any], FlaskClient]) -> None:
    client = way(Counting())

    ids = [post(client, X_Request_ID=f"id-{n}").headers["X-Request-ID"] for n in range(2)]

    assert ids == ["id-0", "id-1"]


@WAYS
def test_errors_are_never_cached(way: Callable[[Any], FlaskClient]) -> None:
    outcomes: list[Any] = [InvalidRequest("no"), ValueError("broken"), object(), {"run": 1}]

    def handler() -> Any:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    client = way(handler)

    answers = [post(client) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [400, 500, 500, 200, 200]
    assert found(*answers) == [None, None, None, "miss", "hit"]


@WAYS
def test_hits_and_misses_are_counted(way: Callable[[Any], FlaskClient]) -> None:
    client = way(Counting())
    for _ in range(3):
        post(client)

    lines = [
        line for line in client.get("/metrics").text.splitlines() if line.startswith("model_serving_cache")
    ]

    assert sorted(line.rpartition(",")[2] for line in lines if "_total" in line) == [
        'result="hit"} 2.0',
        'result="miss"} 1.0',
    ]


@WAYS
def test_equal_requests_that_arrive_together_run_the_handler_once(way: Callable[[Any], FlaskClient]) -> None:
    started, let_go, calls = threading.Event(), threading.Event(), []

    def handler() -> dict[str, int]:
        calls.append(1)
        started.set()
        assert let_go.wait(PATIENCE)
        return {"run": len(calls)}

    client = way(handler)
    barrier, answers = threading.Barrier(5), []

    def send_request() -> None:
        barrier.wait(PATIENCE)
        answers.append(post(client.application.test_client()))

    threads = [threading.Thread(target=send_request) for _ in range(5)]
    for thread in threads:
        thread.start()
    assert started.wait(PATIENCE)
    let_go.set()
    for thread in threads:
        thread.join(PATIENCE)

    assert len(calls) == 1
    assert runs(*answers) == [1] * 5
    assert sorted(found(*answers), key=str) == ["hit"] * 4 + ["miss"]


def test_two_routes_never_share_entries() -> None:
    handler = Counting()
    client = serve(
        route(handler, "/a", cache=True),
        route(handler, "/b", cache=True),
        route(Counting("c"), "/c", cache=True),
        route(handler, "/v/<lang>", cache=True),
    )

    answers = [post(client, {"x": 1}, path) for path in ("/a", "/b", "/c", "/v/en", "/v/de", "/a", "/v/en")]

    assert found(*answers) == ["miss"] * 5 + ["hit"] * 2
    assert [answer.get_json()["label"] for answer in answers] == ["a", "a", "c", "a", "a", "a", "a"]


def test_two_services_never_share_entries() -> None:
    one, other = serve(route(Counting("one"), cache=True)), serve(route(Counting("other"), cache=True))

    assert [post(client).get_json()["label"] for client in (one, other)] == ["one", "other"]
    assert found(post(one), post(other)) == ["hit", "hit"]


def test_views_with_different_schemas_never_share_entries() -> None:
    handler = Counting()

    def checked() -> Any:
        return CachedFlaskAppWrapper.process_json(handler, schema=(Request, None))

    def unchecked() -> Any:
        return CachedFlaskAppWrapper.process_json(handler)

    client = CachedFlaskAppWrapper.create_app([route(checked, "/a"), route(unchecked, "/b")]).test_client()

    assert found(post(client, path="/a"), post(client, path="/b"), post(client, path="/a")) == [
        "miss",
        "miss",
        "hit",
    ]


def test_a_method_and_a_query_have_entries_of_their_own() -> None:
    client = serve(route(Counting(), methods=["GET", "POST"], cache=True))

    answers = [client.get("/p?a=1"), client.get("/p?a=2"), post(client, {"a": "1"}), client.get("/p?a=1")]

    assert found(*answers) == ["miss", "miss", "miss", "hit"]


def test_each_media_type_of_a_response_has_its_own_entry() -> None:
    client = serve(route(lambda title: {"version": title}, schema=example_schema_pb2, cache=True))
    protobuf = "application/x-protobuf"

    answers = [post(client, {"title": "a"}, Accept=accept) for accept in ("", protobuf, "", protobuf)]

    assert found(*answers) == ["miss", "miss", "hit", "hit"]
    assert [answer.content_type for answer in answers] == ["application/json", protobuf] * 2
    assert Response.FromString(answers[3].data) == Response(version="a")


def test_the_same_fields_in_another_media_type_are_an_equal_request() -> None:
    client = serve(route(Counting(), schema=(Request, None), cache=True))

    as_json = post(client, {"title": "a"})
    as_protobuf = client.post(
        "/p", data=Request(title="a").SerializeToString(), content_type="application/x-protobuf"
    )

    assert found(as_json, as_protobuf) == ["miss", "hit"]


def test_a_file_and_its_text_are_not_equal() -> None:
    client = serve(route(Counting(), cache=True))
    head = b'--x\r\nContent-Disposition: form-data; name="a"'

    bodies = [head + b'; filename="f"\r\n\r\nabc\r\n--x--\r\n', head + b"\r\n\r\nYWJj\r\n--x--\r\n"]
    answers = [
        client.post("/p", data=body, content_type="multipart/form-data; boundary=x") for body in bodies
    ]

    assert found(*answers) == ["miss", "miss"]


def test_a_route_without_the_key_is_not_cached() -> None:
    client = serve(
        route(Counting()), route(Counting(), "/b", cache=False), route(Counting(), "/c", cache=True)
    )

    assert found(post(client), post(client), post(client, path="/b")) == [None, None, None]


def test_a_view_of_the_uncached_wrapper_is_not_cached() -> None:
    handler = Counting()

    def view() -> Any:
        return FlaskAppWrapper.process_json(handler)

    client = CachedFlaskAppWrapper.create_app([route(view)]).test_client()

    assert runs(post(client), post(client)) == [1, 2]


def test_a_cached_view_in_an_app_without_a_cache_answers_all_the_same() -> None:
    handler = Counting()
    client = serve(route(lambda: CachedFlaskAppWrapper.process_json(handler)))

    assert [post(client).get_json()["label"] for _ in range(2)] == ["a", "a"]


def test_a_response_of_the_handlers_own_keeps_its_headers() -> None:
    def handler() -> Any:
        return FlaskAppWrapper.app.response_class("Hallo", headers={"Content-Language": "de"})

    client = serve(route(handler, cache=True))

    assert [post(client).headers.get("Content-Language") for _ in range(2)] == ["de", "de"]


def test_views_that_make_a_handler_for_each_request_share_its_runs_too() -> None:
    calls: list[int] = []
    arrived, let_go = threading.Semaphore(0), threading.Event()

    def view() -> Any:
        def handler() -> dict[str, int]:
            calls.append(1)
            assert let_go.wait(PATIENCE)
            return {"run": len(calls)}

        arrived.release()
        return CachedFlaskAppWrapper.process_json(handler)

    app = CachedFlaskAppWrapper.create_app([route(view)])
    threads = [threading.Thread(target=lambda: post(app.test_client())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert arrived.acquire(timeout=PATIENCE)
    let_go.set()
    for thread in threads:
        thread.join(PATIENCE)

    assert len(calls) == 1
