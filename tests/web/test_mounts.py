"""Requests to mounted applications, as WSGI and ASGI servers send them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from aylien_model_serving import current_caller
from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.background import pool
from aylien_model_serving.errors import Unavailable
from aylien_model_serving.process import native_threads
from aylien_model_serving.web.app import ServingFlask
from tests import mounted
from tests.contracts.adapters import Answer, Request, send_asgi, send_wsgi, series_of

SendRequest = Callable[[ServingFlask, Request], Answer]

WORLDS: dict[str, SendRequest] = {"wsgi": send_wsgi}
if not native_threads.is_patched():  # where greenlets share a thread, it has room for one event loop
    WORLDS["asgi"] = send_asgi

BOTH = ("/fast", "/flask")

PATIENCE_SECONDS = 10.0


@pytest.fixture(params=WORLDS)
def send_request(request: pytest.FixtureRequest) -> SendRequest:
    """How a server asks."""
    return WORLDS[request.param]


@pytest.fixture(autouse=True)
def _what_was_started_ends() -> Iterator[None]:
    yield
    pool.finish(PATIENCE_SECONDS)


def get(target: str, *headers: tuple[str, str]) -> Request:
    return Request("GET", target, headers=headers)


def content(answer: Answer) -> Any:
    assert answer.status == 200, answer
    return json.loads(answer.body)


def header(answer: Answer, wanted: str) -> list[str]:
    return [value for name, value in answer.headers if name == wanted]


def until(condition: Callable[[], object]) -> None:
    """Return once a condition is true."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.mark.parametrize("place", BOTH)
def test_a_mounted_app_knows_where_it_is(send_request: SendRequest, place: str) -> None:
    seen = content(send_request(mounted.service(), get(f"{place}/where?x=%20y&x=2")))

    assert seen["root"] == place
    assert seen["url"] == f"http://service.test{place}/where?x=%20y&x=2"
    assert seen["named"].endswith(f"{place}/where")
    assert seen["query"] == "x=%20y&x=2"


def test_a_prefix_before_the_service_comes_before_the_mount(send_request: SendRequest) -> None:
    app = mounted.service()
    outer = FlaskAppWrapper.create_app([])
    outer.mount_wsgi("/outer", app)

    for place in BOTH:
        assert content(send_request(outer, get(f"/outer{place}/where")))["root"] == f"/outer{place}"
    assert send_request(outer, Request("POST", "/outer/half", b'{"number": 3}')).body == b'{"half":1.5}'


def test_the_documents_of_a_fastapi_app_are_below_its_prefix(send_request: SendRequest) -> None:
    app = mounted.service()

    page = send_request(app, get("/fast/docs"))
    document = content(send_request(app, get("/fast/openapi.json")))

    assert b"'/fast/openapi.json'" in page.body.replace(b'"', b"'")
    assert document["servers"] == [{"url": "/fast"}]
    assert "/where" in document["paths"]


@pytest.mark.parametrize("place", BOTH)
def test_a_redirect_stays_below_the_prefix(send_request: SendRequest, place: str) -> None:
    answer = send_request(mounted.service(), get(f"{place}/folder"))

    assert answer.status in (307, 308)
    [location] = header(answer, "location")
    assert location.endswith(f"{place}/folder/")


@pytest.mark.parametrize("place", BOTH)
def test_each_cookie_arrives(send_request: SendRequest, place: str) -> None:
    answer = send_request(mounted.service(), get(f"{place}/cookies"))

    assert [value.split(";")[0] for value in header(answer, "set-cookie")] == ["one=1", "two=2"]
    assert f"Path={place}" in header(answer, "set-cookie")[0]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_form_with_a_file_arrives_whole(send_request: SendRequest, chunked: bool) -> None:
    size = 200 if chunked else 300_000
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n' + b"a" * size
    headers = (("content-type", "multipart/form-data; boundary=x"),)
    sent = Request("POST", "/flask/upload", form + b"\r\n--x--\r\n", headers, chunked)

    assert content(send_request(mounted.service(), sent)) == {"name": "f", "size": size}


@pytest.mark.parametrize("place", BOTH)
@pytest.mark.parametrize(("size", "chunked"), [(0, False), (300_000, False), (0, True), (500, True)])
def test_a_body_arrives_whole(send_request: SendRequest, place: str, size: int, chunked: bool) -> None:
    sent = Request("POST", f"{place}/size", b"a" * size, chunked=chunked)

    assert content(send_request(mounted.service(), sent)) == {"size": size}


@pytest.mark.parametrize("place", BOTH)
def test_a_stream_arrives_whole(send_request: SendRequest, place: str) -> None:
    assert send_request(mounted.service(), get(f"{place}/stream")).body == b"0\n1\n2\n"


@pytest.mark.parametrize("place", BOTH)
def test_the_errors_of_a_mounted_app_are_its_own(send_request: SendRequest, place: str) -> None:
    app = mounted.service()

    answers = [send_request(app, get(f"{place}/{page}")) for page in ("teapot", "none", "broken")]

    assert [answer.status for answer in answers] == [418, 404, 500]
    assert b"short and stout" in answers[0].body
    assert not any(b"request_id" in answer.body for answer in answers)


def test_an_error_behind_the_answer_is_logged_and_counted(
    send_request: SendRequest, caplog: pytest.LogCaptureFixture
) -> None:
    app = mounted.service()

    assert send_request(app, get("/fast/broken")).body == b"Internal Server Error"

    until(lambda: "it broke" in caplog.text)
    assert series_of(app)['flask_http_request_exceptions_total{method="GET",status="500"}'] == 1


def explode(*_: Any) -> Any:
    raise ValueError("it exploded")


async def explode_on_loop(scope: Any, receive: Any, send: Any) -> None:
    explode()


async def say_nothing(scope: Any, receive: Any, send: Any) -> None:
    """Return without an answer."""


def test_an_app_that_raises_gets_the_services_error_response(send_request: SendRequest) -> None:
    app = FlaskAppWrapper.create_app([])
    app.mount_wsgi("/wsgi", lambda environ, start_response: explode())
    app.mount_asgi("/asgi", explode_on_loop)

    for place in ("/wsgi", "/asgi"):
        answer = send_request(app, get(place))
        assert answer.status == 500
        assert json.loads(answer.body)["request_id"] == "the-request"
        counted = f'{{endpoint="{place}",method="GET",status="500"}}'
        assert series_of(app)[f"flask_http_request_duration_seconds_count{counted}"] == 1


def test_an_answer_that_never_came_is_an_error_under_wsgi() -> None:
    app = FlaskAppWrapper.create_app([])
    app.mount_asgi("/asgi", say_nothing)

    assert send_wsgi(app, get("/asgi")).status == 500


def test_an_answer_that_breaks_off_is_cut(send_request: SendRequest) -> None:
    with pytest.raises(ValueError, match="on the way"):
        send_request(mounted.service(), get("/fast/cut"))


def test_requests_are_counted_under_their_mount_and_carry_their_id(send_request: SendRequest) -> None:
    app = mounted.service()

    for place in BOTH:
        answers = [
            send_request(app, get(f"{place}/{page}", ("x-request-id", "mine"))) for page in ("where", "none")
        ]

        assert content(answers[0])["id"] == "mine"
        assert [header(answer, "x-request-id") for answer in answers] == [["mine"], ["mine"]]
        for status in (200, 404):
            labels = f'{{endpoint="{place}",method="GET",status="{status}"}}'
            assert series_of(app)[f"flask_http_request_duration_seconds_count{labels}"] == 1


def test_keys_are_required_unless_the_mount_says_otherwise(
    send_request: SendRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_SERVING_API_KEYS", "secret")
    app = mounted.service()
    app.mount_asgi("/open/fast", mounted.fast(), guarded=False)
    app.mount_wsgi("/open/flask", mounted.flask(), guarded=False)

    for place in BOTH:
        asked = get(f"{place}/where")
        assert [
            send_request(app, asked).status,
            send_request(app, asked.with_header("x-api-key", "wrong")).status,
            send_request(app, asked.with_header("x-api-key", "secret")).status,
            send_request(app, get(f"/open{place}/where")).status,
        ] == [401, 403, 200, 200]


def test_a_mounted_application_knows_the_caller(
    send_request: SendRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_SERVING_API_KEYS", "alice:one,bob:two")
    app = FlaskAppWrapper.create_app([])

    def wsgi(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [f"{current_caller()} {environ['REMOTE_USER']}".encode()]

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": current_caller().encode()})

    app.mount_wsgi("/wsgi", wsgi)
    app.mount_asgi("/asgi", asgi)

    for name, key in (("alice", "one"), ("bob", "two")):
        answers = [
            send_request(app, get(place).with_header("x-api-key", key)) for place in ("/wsgi", "/asgi")
        ]
        assert [answer.body.decode() for answer in answers] == [f"{name} {name}", name]
    assert current_caller() == ""


def test_middleware_of_a_mount_is_around_it_alone(send_request: SendRequest) -> None:
    app = FlaskAppWrapper.create_app([{"endpoint": "/half", "callable": mounted.half}])
    app.mount_asgi(
        "/fast",
        mounted.fast(),
        middleware=[(mounted.Stamp, {"stamp": "outer"}), (mounted.Stamp, {"stamp": "inner"})],
    )

    assert header(send_request(app, get("/fast/where")), "x-stamp") == ["inner", "outer"]
    assert header(send_request(app, Request("POST", "/half", b'{"number": 1}')), "x-stamp") == []


def test_middleware_of_the_service_sees_every_request(send_request: SendRequest) -> None:
    app, paths = mounted.service(), []
    app.add_middleware(mounted.Seen, paths=paths)

    asked = [
        Request("POST", "/half", b'{"number": 1}'),
        get("/fast/where"),
        get("/flask/where"),
        get("/none"),
    ]
    answers = [send_request(app, request) for request in asked]

    assert [answer.status for answer in answers] == [200, 200, 200, 404]
    assert paths == ["/half", "/fast/where", "/flask/where", "/none"]
    assert all(header(answer, "x-seen") == ["yes"] for answer in answers)


def test_a_handler_behind_middleware_still_takes_the_fast_path(monkeypatch: pytest.MonkeyPatch) -> None:
    app = mounted.seen_service()
    monkeypatch.setattr(ServingFlask, "full_dispatch_request", explode)

    assert send_wsgi(app, Request("POST", "/half", b'{"number": 1}')).status == 200


def test_the_path_of_a_mount_ends_at_a_slash(send_request: SendRequest) -> None:
    app = mounted.service()

    assert send_request(app, get("/flasks/where")).status == 404
    for place in BOTH:
        assert header(send_request(app, get(place)), "location")[0].endswith(f"{place}/")
        assert send_request(app, get(f"{place}/")).status == 200


def test_the_longest_path_wins(send_request: SendRequest) -> None:
    app = FlaskAppWrapper.create_app([])
    app.mount_asgi("/a/b", mounted.fast())
    app.mount_wsgi("/a", mounted.flask())
    app.mount_wsgi("/a/b/c", mounted.flask())

    roots = [content(send_request(app, get(f"{place}/where")))["root"] for place in ("/a", "/a/b", "/a/b/c")]

    assert roots == ["/a", "/a/b", "/a/b/c"]


def test_heads_that_are_not_utf8_are_answered(send_request: SendRequest) -> None:
    app = mounted.service()

    assert send_request(app, get("/fast/%ff%fe")).status == 404
    assert send_request(app, get("/flask/%ff%fe")).status == 404
    assert send_request(app, get("/fast/?\xe4")).status == 200
    assert send_request(app, get("/flask/?\xe4")).status == 200


def test_an_app_that_can_not_start_is_unavailable_and_tried_again(send_request: SendRequest) -> None:
    tries = []

    async def late(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            tries.append(scope)
            outcome = "complete" if len(tries) > 1 else "failed"
            await send({"type": f"lifespan.startup.{outcome}", "message": "no database"})
        else:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"here"})

    app = FlaskAppWrapper.create_app([])
    app.mount_asgi("/late", late)

    first, second = send_request(app, get("/late")), send_request(app, get("/late"))

    assert first.status == Unavailable.status
    assert header(first, "retry-after")
    assert second.body == b"here"


def test_a_body_that_is_cut_is_the_clients_fault() -> None:
    received = []

    async def read(scope: Any, receive: Any, send: Any) -> None:
        while scope["type"] == "http" and received[-1:] != ["http.disconnect"]:
            received.append((await receive())["type"])

    app = FlaskAppWrapper.create_app([])
    app.mount_asgi("/read", read)

    answer = send_wsgi(app, Request("POST", "/read", b"abc", (("content-length", "10"),)))

    assert received == ["http.request", "http.disconnect"]

    assert (answer.status, json.loads(answer.body)["code"]) == (400, "malformed_body")
