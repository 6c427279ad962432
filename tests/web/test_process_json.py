"""`process_json` and the static helpers of version 2."""

import inspect
import json
from typing import Any

import pytest
from flask import Flask
from google.protobuf.json_format import ParseError

from aylien_model_serving.app_factory import FlaskAppWrapper, InvalidRequest
from aylien_model_serving.cached_app_factory import CachedFlaskAppWrapper
from examples import example_schema_pb2
from examples.example_schema_pb2 import Request, Response, Value
from tests.web.requests import error, post, route, serve

JSON_TEXT = b'{"title": "Guten Tag", "body": null}'


def echo(**fields: Any) -> dict[str, Any]:
    return {"version": repr(fields)}


def view() -> Any:
    return FlaskAppWrapper.process_json(echo, schema=example_schema_pb2)


def plain_view() -> Any:
    return FlaskAppWrapper.process_json(echo)


@pytest.mark.parametrize(
    "content_type",
    [None, "application/json", "text/plain", "application/x-www-form-urlencoded", "application/octet-stream"],
)
@pytest.mark.parametrize("target", [view, plain_view])
def test_the_body_is_read_as_json_whatever_its_media_type(target: Any, content_type: str | None) -> None:
    response = serve(route(target)).post("/p", data=JSON_TEXT, content_type=content_type)

    assert response.status_code == 200
    assert response.get_json() == {"version": "{'title': 'Guten Tag', 'body': None}"}


def test_fields_are_passed_as_the_client_sent_them() -> None:
    fields = {"enrichments": {"extracted": {"value": {"body": "b"}}}}

    assert post(serve(route(view)), fields).get_json() == {"version": repr(fields)}


def test_a_view_without_a_schema_checks_no_hints() -> None:
    def handler(n: int) -> Any:
        return {"n": n}

    def untyped_view() -> Any:
        return FlaskAppWrapper.process_json(handler)

    assert post(serve(route(untyped_view)), {"n": "text"}).get_json() == {"n": "text"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"language": "en"}, 'Message type "app.Request" has no field named "language"'),
        ({"title": 3}, "Failed to parse title field: "),
        (
            {"enrichments": {"x": 1}},
            'Failed to parse enrichments field: Message type "app.Enrichments" has no field named "x"',
        ),
    ],
)
def test_the_parsers_own_words_reach_the_client(fields: Any, message: str) -> None:
    status, code, text = error(post(serve(route(view)), fields))

    assert (status, code) == (400, "schema_mismatch")
    assert text.startswith(message)


@pytest.mark.parametrize("answer", [{"label": "en"}, {"confidence": "much"}, ["en"], None])
def test_an_answer_that_breaks_its_schema_is_a_500_without_details(answer: Any) -> None:
    def broken() -> Any:
        return FlaskAppWrapper.process_json(lambda **fields: answer, schema=example_schema_pb2)

    assert error(post(serve(route(broken)))) == (
        500,
        "invalid_answer",
        "The service made an answer that is not valid",
    )


def test_a_handler_refuses_its_input_in_its_own_words() -> None:
    def refuse(**fields: Any) -> None:
        raise InvalidRequest("Missing text")

    assert error(post(serve(route(lambda: FlaskAppWrapper.process_json(refuse))))) == (
        400,
        "invalid_request",
        "Missing text",
    )


def test_either_message_of_a_schema_may_be_absent() -> None:
    def request_only() -> Any:
        return FlaskAppWrapper.process_json(lambda title: {"any": title}, schema=(Request, None))

    client = serve(route(request_only))

    assert post(client, {"title": "a"}).get_json() == {"any": "a"}
    assert post(client, {"text": "a"}).status_code == 400


def test_a_view_may_be_added_to_the_shared_app_by_hand() -> None:
    def by_hand() -> Any:
        return FlaskAppWrapper.process_json(echo)

    app = FlaskAppWrapper.create_app()
    app._got_first_request = False  # other tests have asked this app already
    app.add_url_rule("/by_hand_of_process_json", view_func=by_hand, methods=["POST"])

    assert post(app.test_client(), {"a": 1}, "/by_hand_of_process_json").get_json() == {"version": "{'a': 1}"}


def test_it_answers_within_any_flask_app() -> None:
    app = Flask(__name__)
    app.add_url_rule("/p", view_func=view, methods=["POST"])

    response = post(app.test_client(), {"title": "a"})

    assert response.get_json() == {"version": "{'title': 'a'}"}
    assert response.headers["X-Request-ID"]
    assert post(app.test_client(), {"text": "a"}).status_code == 400


def test_a_view_that_makes_a_handler_for_each_request_keeps_none_of_them_alive_for_ever() -> None:
    def fresh() -> Any:
        return FlaskAppWrapper.process_json(lambda n: {"n": n})

    client = serve(route(fresh))

    assert [post(client, {"n": n}).get_json() for n in range(600)] == [{"n": n} for n in range(600)]
    assert len(client.application.state._view_endpoints) <= 256  # type: ignore[attr-defined]  # our own Flask class


def test_the_helpers_have_the_parameters_of_version_2() -> None:
    def parameters(helper: Any) -> str:
        return ", ".join(
            str(p.replace(annotation=p.empty)) for p in inspect.signature(helper).parameters.values()
        )

    assert parameters(FlaskAppWrapper.process_json) == "callable_handler, schema=None"
    assert parameters(CachedFlaskAppWrapper.process_json) == "callable_handler, schema=None"
    assert parameters(FlaskAppWrapper.create_app) == "routes=None, config=None"
    assert parameters(CachedFlaskAppWrapper.create_app) == "routes=None, cache_config=None"
    assert parameters(FlaskAppWrapper.parse_to_protobuf_msg) == "req_data, proto_msg, ignore_unknowns=False"
    assert (
        parameters(FlaskAppWrapper.parse_proto_msg_to_json)
        == "response, preserve_field_name=True, include_defaults=True"
    )
    assert parameters(FlaskAppWrapper.ping) == ""


def test_fields_are_parsed_into_a_message() -> None:
    message = Request()

    parsed = FlaskAppWrapper.parse_to_protobuf_msg({"title": "a"}, message)

    assert parsed is message
    assert message == Request(title="a")


def test_unknown_fields_are_refused_unless_they_are_ignored() -> None:
    with pytest.raises(ParseError, match='no field named "language"'):
        FlaskAppWrapper.parse_to_protobuf_msg({"language": "en"}, Request())

    ignoring = FlaskAppWrapper.parse_to_protobuf_msg(
        {"language": "en", "id": "1"}, Request(), ignore_unknowns=True
    )

    assert ignoring == Request(id="1")


def test_a_message_is_written_as_json() -> None:
    answer = Response(language="en")

    assert json.loads(FlaskAppWrapper.parse_proto_msg_to_json(answer)) == {
        "version": "",
        "language": "en",
        "confidence": 0.0,
    }
    assert json.loads(FlaskAppWrapper.parse_proto_msg_to_json(answer, include_defaults=False)) == {
        "language": "en"
    }
    assert json.loads(
        FlaskAppWrapper.parse_proto_msg_to_json(Value(body="b"), preserve_field_name=False)
    ) == {"body": "b"}


def test_a_ping_is_a_success() -> None:
    assert FlaskAppWrapper.ping() == ("Success", 200)


@pytest.mark.parametrize("wrapper", [FlaskAppWrapper, CachedFlaskAppWrapper])
def test_without_a_request_it_is_a_decorator_that_makes_the_view(wrapper: Any) -> None:
    @wrapper.process_json
    def greet(name: str = "you") -> dict[str, str]:
        return {"hello": name}

    app = wrapper.create_app([{"endpoint": "/greet", "callable": greet}])

    assert greet.__name__ == "greet"
    assert app.test_client().post("/greet", json={"name": "Ada"}).json == {"hello": "Ada"}
    assert app.test_client().post("/greet", json={"nome": "Ada"}).status_code == 400
