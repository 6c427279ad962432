"""Both clients call the routes of a service alike: one that runs in the process of the test."""

import inspect
import io
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from flask import Response
from werkzeug.middleware.dispatcher import DispatcherMiddleware

import examples.example_schema_pb2 as schema
from aylien_model_serving.client import (
    Client,
    JobCancelled,
    JobFailed,
    NotUnderstood,
    ReceivedFile,
    TimedOut,
    UnknownRoute,
)
from aylien_model_serving.client.effects import ApiResponse
from aylien_model_serving.client.operations import ClientCore
from aylien_model_serving.client.options import Options
from aylien_model_serving.errors import FieldMismatch, InvalidRequest, NotFound, ServingError, Unauthorized
from tests.client import apps
from tests.client.callers import NAMES, Caller, connected, transport_to
from tests.client.script import Script

URL = "http://service.test/"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)


@pytest.fixture(params=NAMES)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def caller(kind: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Caller]:
    monkeypatch.setenv("MODEL_SERVING_JOBS_URL", "memory://")
    with connected(kind, URL, http_transport=transport_to(kind, apps.make_app())) as caller:
        caller.run(caller.client.call("classify", text="first"))
        yield caller


def test_a_route_is_a_method_that_takes_its_fields(caller: Caller) -> None:
    assert caller.run(caller.client.classify(text="ü", top=5)) == {"text": "ü", "top": 5}


def test_a_route_of_several_methods_has_all_of_them(caller: Caller) -> None:
    assert caller.run(caller.client.classify_get(text="ü&=", top=5)) == {"text": "ü&=", "top": 5}
    assert caller.run(caller.client.call("GET /classify", text="x")) == {"text": "x", "top": 3}


def test_a_method_says_what_it_takes(caller: Caller) -> None:
    method = caller.client.classify

    assert inspect.isfunction(method)
    assert list(inspect.signature(method).parameters) == ["text", "top"]
    assert "text: what to read." in (inspect.getdoc(method) or "")
    assert str(caller.client.routes["translate"]) == "(*, lang: str, text: str) -> list[str]"


def test_a_client_is_printed_with_its_routes(caller: Caller) -> None:
    told = str(caller.client)

    assert told.startswith(f"{caller.client!r}, with the routes\n")
    assert "\n  translate(*, lang: str, text: str) -> list[str]\n" in told
    assert caller.client._repr_mimebundle_(include=None, exclude=None) == {"text/plain": told}


def test_a_mistake_with_a_field_is_one_line_in_a_notebook(caller: Caller) -> None:
    with pytest.raises(FieldMismatch) as refused:
        caller.run(caller.client.classify(txt="a"))
    with pytest.raises(UnknownRoute) as unknown:
        caller.client.clasify(text="a")

    again = pickle.loads(pickle.dumps(refused.value))

    [line] = refused.value._render_traceback_()  # type: ignore[attr-defined]  # what IPython calls
    assert line.startswith(
        "FieldMismatch: Unexpected field 'txt': expected are text, top (optional) (request "
    )
    assert again._render_traceback_() == [line]
    assert unknown.value._render_traceback_() == [f"UnknownRoute: {unknown.value}"]


def test_tab_completion_finds_the_routes(caller: Caller) -> None:
    assert {"classify", "translate", "fry", "call", "jobs"} <= set(dir(caller.client))


def test_fields_of_a_structured_body_are_fields(caller: Caller) -> None:
    assert caller.run(caller.client.flower(petal=1.5)) == "iris: 1.5"
    assert caller.run(caller.client.flower_get(petal=1.5, kind="rose")) == "rose: 1.5"
    parameters = inspect.signature(caller.client.flower).parameters
    assert {name: (one.annotation, one.default) for name, one in parameters.items()} == {
        "petal": (float, inspect.Parameter.empty),
        "kind": (str, "iris"),
    }


def test_a_body_without_fields_is_given_by_position(caller: Caller, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)

    assert caller.run(caller.client.total([1, 2], lang="en")) == ["en", 3]
    assert caller.run(caller.client.call("/{lang}/total", (1, 2), lang="en")) == ["en", 3]
    assert caller.run(caller.client.look(tmp_path / "a.png")) == ["image/png", len(PNG)]
    assert caller.run(caller.client.look(PNG)) == ["image/png", len(PNG)]
    assert str(inspect.signature(caller.client.total)) == "(body: list[int], /, *, lang: str) -> list"


def test_a_structured_body_may_be_given_as_a_whole(caller: Caller) -> None:
    for flower in (apps.Flower(1.5), {"petal": 1.5}):
        assert caller.run(caller.client.flower(flower)) == "iris: 1.5"


@pytest.mark.parametrize(
    ("body", "fields", "message"),
    [
        (([1], [2]), {"lang": "en"}, "takes one body, and 2 were given"),
        (([1],), {"lang": "en", "more": 1}, "got a body, and 'more' beside it"),
        (([1],), {}, "needs 'lang'"),
    ],
)
def test_a_body_stands_alone(caller: Caller, body: Any, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        caller.run(caller.client.total(*body, **fields))


def test_a_query_has_no_body(caller: Caller) -> None:
    with pytest.raises(TypeError, match="GET has no body: give the fields of flower_get"):
        caller.run(caller.client.flower_get({"petal": 1.5}))


def test_values_of_the_path_are_fields(caller: Caller) -> None:
    assert caller.run(caller.client.translate(lang="a?#;", text="a")) == ["a?#;", "a"]
    assert caller.run(caller.client.call("GET /v1/{lang}/translate", lang="x y", text="b c")) == [
        "x y",
        "b c",
    ]


def test_a_field_may_have_the_name_of_an_argument_of_call(caller: Caller) -> None:
    with pytest.raises(FieldMismatch, match="Unexpected field 'name'"):
        caller.run(caller.client.call("classify", name="a", text="b"))


def test_a_route_that_is_not_there_is_an_attribute_that_is_not_there(caller: Caller) -> None:
    with pytest.raises(UnknownRoute, match="did you mean 'classify'"):
        _ = caller.client.clasify
    assert not hasattr(caller.client, "nothing")
    assert not hasattr(caller.client, "_nothing")


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("refuse", InvalidRequest, "not this text"),
        ("gone", NotFound, "There is no such text"),
        ("break", ServingError, "The service failed"),
    ],
)
def test_what_the_service_refuses_is_raised(
    caller: Caller, text: str, error: type[ServingError], message: str
) -> None:
    with pytest.raises(error, match=message) as raised:
        caller.run(caller.client.classify(text=text))

    assert type(raised.value) is error
    assert vars(raised.value)["request_id"]


def test_files_of_every_kind_arrive(caller: Caller, tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(PNG)

    assert caller.run(caller.client.measure(file=path)) == {
        "sizes": [len(PNG)], "name": "cat.png", "type": "image/png", "note": None,
    }  # fmt: skip
    with path.open("rb") as opened:
        assert caller.run(caller.client.measure(file=opened, factor=2))["sizes"] == [2 * len(PNG)]
    several = [b"ab", io.BytesIO(b"abc"), ReceivedFile(b"abcd")]
    assert caller.run(caller.client.measure(file=b"a", others=several))["sizes"] == [1, 2, 3, 4]


def test_fields_beside_a_file_keep_their_types(caller: Caller) -> None:
    answer = caller.run(caller.client.measure(file=b"a", note={"deep": [1, None]}, factor=3))

    assert answer["note"] == {"deep": [1, None]}
    assert answer["sizes"] == [3]


def test_files_come_back(caller: Caller) -> None:
    file = caller.run(caller.client.call("/give-back", file=ReceivedFile(PNG, "image/png", "cat.png")))

    assert file == ReceivedFile(PNG, "image/png", "cat.png")


def test_a_view_gets_a_form_and_answers_with_a_file(caller: Caller) -> None:
    assert caller.run(caller.client.call("/view-files", file=PNG)) == ReceivedFile(PNG, "image/png", "a.png")


def test_a_protobuf_message_is_answered_by_one(caller: Caller) -> None:
    message = schema.Request(id="7", title="en")

    answer = caller.run(caller.client.protobuf("detect", message, schema.Response))

    assert (answer.language, answer.confidence) == ("en", 0.5)


def test_a_protobuf_message_has_no_values_for_a_path(caller: Caller) -> None:
    with pytest.raises(TypeError, match=r"/v1/\{lang\}/translate has values"):
        caller.run(caller.client.protobuf("translate", schema.Request(), schema.Response))


@pytest.mark.parametrize(
    ("status", "media_type", "body"),
    [
        (202, "application/json", b'{"job_id": "7"}'),
        (200, "text/event-stream", b""),
        (200, "application/x-protobuf", b"\xff"),
    ],
)
def test_an_answer_that_is_no_protobuf_message_is_not_understood(
    monkeypatch: pytest.MonkeyPatch, status: int, media_type: str, body: bytes
) -> None:
    monkeypatch.setenv("MODEL_SERVING_JOBS_URL", "memory://")
    described = ApiResponse(200, body=apps.make_app().test_client().get("/openapi.json").data)
    script = Script(described, ApiResponse(status, {"content-type": media_type}, body))
    core = ClientCore(Options(), script.clock)

    with pytest.raises(NotUnderstood, match="protobuf message"):
        script.run(core.protobuf("detect", schema.Request(), schema.Response))


def test_a_stream_is_iterated(caller: Caller) -> None:
    stream = caller.run(caller.client.count(number=3))

    assert caller.items(stream) == [{"step": 0}, {"step": 1}, {"step": 2}]


def test_a_stream_that_fails_raises_after_its_items(caller: Caller) -> None:
    with pytest.raises(InvalidRequest, match="no further"):
        caller.items(caller.run(caller.client.count(number=5, pause=-1)))


def test_a_job_is_waited_for(caller: Caller) -> None:
    job = caller.run(caller.client.fry(name="curly"))

    assert job.id in repr(job)
    assert caller.run(job.result(30)) == "curly fries"
    assert (job.status, job.progress, job.message, job.done) == ("finished", 1.0, "peeling for curly", True)


def test_a_job_that_fails_says_why(caller: Caller) -> None:
    job = caller.run(caller.client.fry(name="burnt"))

    with pytest.raises(JobFailed, match="no such fries"):
        caller.run(job.result(30))
    assert (job.status, job.error) == ("failed", "no such fries")


def test_a_job_that_takes_longer_goes_on_and_can_be_cancelled(caller: Caller, tmp_path: Path) -> None:
    job = caller.run(caller.client.fry(name="slow", gate=str(tmp_path)))

    with pytest.raises(TimedOut, match="it goes on"):
        caller.run(job.result(0.3))
    caller.run(job.cancel())
    with pytest.raises(JobCancelled):
        caller.run(job.result(30))


def test_the_items_of_a_job_are_iterated(caller: Caller) -> None:
    job = caller.run(caller.client.numbers(number=3))

    assert caller.items(job) == [{"step": 0}, {"step": 1}, {"step": 2}]
    assert job.status == "finished"


def test_jobs_are_found_again(caller: Caller) -> None:
    job = caller.run(caller.client.fry(name="curly"))
    caller.run(job.result(30))

    same = caller.run(caller.client.job(job.id))
    listed = caller.run(caller.client.jobs("finished", limit=5))

    assert same.status == "finished"
    assert [(each.id, each.route) for each in listed] == [(job.id, "fry")]
    with pytest.raises(NotFound, match="There is no job"):
        caller.run(caller.client.job("nothing"))


def test_a_service_without_jobs_has_none(kind: str) -> None:
    app = apps.FlaskAppWrapper.create_app([{"endpoint": "/classify", "callable": apps.classify}])

    with connected(kind, URL, http_transport=transport_to(kind, app)) as caller:
        assert caller.run(caller.client.jobs()) == []


def test_a_redirect_is_reported_and_not_followed(kind: str) -> None:
    app = apps.FlaskAppWrapper.create_app([{"endpoint": "/classify", "callable": apps.classify}])
    app.before_request(lambda: apps.redirect("http://elsewhere.test/"))
    other_origin = r"302 Found, to http://elsewhere\.test/"

    with (
        connected(kind, URL, http_transport=transport_to(kind, app), api_key="secret") as caller,
        pytest.raises(NotUnderstood, match=other_origin),
    ):
        caller.run(caller.client.refresh())


def test_a_key_opens_a_service_that_has_one(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_SERVING_API_KEYS", "secret")
    app = apps.FlaskAppWrapper.create_app([{"endpoint": "/classify", "callable": apps.classify}])
    with connected(kind, URL, http_transport=transport_to(kind, app), api_key="secret") as caller:
        assert caller.run(caller.client.call("classify", text="a")) == {"text": "a", "top": 3}
    with connected(kind, URL, http_transport=transport_to(kind, app)) as caller, pytest.raises(Unauthorized):
        caller.run(caller.client.call("classify", text="a"))


def test_a_service_behind_a_prefix_is_called_there() -> None:
    app = apps.FlaskAppWrapper.create_app([{"endpoint": "/classify", "callable": apps.classify}])
    outer = httpx.WSGITransport(DispatcherMiddleware(Response(status=404), {"/behind": app}))

    with Client(f"{URL}behind/", http_transport=outer) as client:
        assert client.call("classify", text="a") == {"text": "a", "top": 3}


def test_options_are_changed_for_some_calls(caller: Caller) -> None:
    quick = caller.client.with_options(timeout=1.5, retries=0)

    assert caller.run(quick.classify(text="a")) == {"text": "a", "top": 3}
    assert repr(quick) == repr(caller.client)


@pytest.mark.parametrize("name", ["patience", "connect_timeout", "headers"])
def test_what_can_not_be_changed_for_some_calls_is_refused(caller: Caller, name: str) -> None:
    with pytest.raises(TypeError, match=name):
        caller.client.with_options(**{name: 1})


@pytest.mark.parametrize("seconds", [0, -1])
def test_seconds_to_connect_that_are_none_are_refused(kind: str, seconds: float) -> None:
    with pytest.raises(ValueError, match="connect_timeout is a number of seconds above 0"):
        connected(kind, URL, connect_timeout=seconds).__enter__()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("localhost:8000", "begin with http://"),
        ("ftp://localhost", "begin with http://"),
        ("http://", "begin with http://"),
        ("http://user:secret@localhost", "holds a password"),
        ("http://localhost/?a=1", "ends with its path"),
        ("http://a\nb", "can't be read"),
    ],
)
def test_an_address_that_is_none_is_refused(kind: str, url: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        connected(kind, url).__enter__()
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("key", ["", "secret\n", "sec ret", "sécret"])
def test_a_key_that_can_not_be_sent_is_refused_and_not_shown(kind: str, key: str) -> None:
    with pytest.raises(ValueError, match="visible ASCII") as raised:
        connected(kind, URL, api_key=key).__enter__()
    assert not key or key.strip() not in str(raised.value)
