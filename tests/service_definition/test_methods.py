"""Which RPC each route is."""

from collections.abc import Iterator
from typing import Any

import pytest

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.routing import routes
from aylien_model_serving.service_definition.methods import Method, methods_of, reason_against
from aylien_model_serving.web.route_schemas import inspect
from tests.services import speech_pb2
from tests.services.speech_pb2 import Letter, Text, Told

SPEECH = speech_pb2.DESCRIPTOR.services_by_name["Speech"].methods_by_name


def say(text: str) -> dict[str, Any]:
    return {"text": text}


def spell(text: str) -> Iterator[dict[str, str]]:
    for letter in text:
        yield {"letter": letter}


def of_messages(text: Text) -> Told:
    return Told(text=text.text)


def methods(*dicts: dict[str, Any], name: str | None = None) -> list[Method]:
    return methods_of([inspect(route) for route in routes.read(dicts)], name)


def test_a_pair_of_messages_is_the_method_of_the_proto_that_has_these_types() -> None:
    [method] = methods({"endpoint": "/spell", "callable": spell, "schema": (Text, Letter)})

    assert (method.path, method.streams, method.is_defined) == ("/speech.Speech/Spell", True, True)


def join(letters: Iterator[Letter]) -> Told:
    return Told(text="".join(letter.letter for letter in letters))


def test_a_method_of_the_proto_has_the_streams_that_the_callable_has() -> None:
    [method] = methods({"endpoint": "/join", "callable": join})

    assert (method.path, method.takes_stream, method.streams) == ("/speech.Speech/Join", True, False)


@pytest.mark.parametrize("key", ["runner", "cache", "job"])
def test_a_callable_that_takes_a_stream_runs_where_the_client_is_answered(key: str) -> None:
    with pytest.raises(ConfigurationError, match="takes a stream of messages"):
        methods({"endpoint": "/join", "callable": join, key: True})


@pytest.mark.parametrize("name", ["Say", "Repeat"])
def test_of_several_methods_the_schema_names_one(name: str) -> None:
    [method] = methods({"endpoint": "/say", "callable": say, "schema": SPEECH[name]})

    assert (method.path, method.request, method.response) == (f"/speech.Speech/{name}", Text, Told)


@pytest.mark.parametrize(
    ("route", "service", "path"),
    [
        ("say", None, "/speech.ModelService/Say"),
        ("say", "my-speech 2", "/speech.MySpeech2/Say"),
        ("say_it_aloud", "語", "/speech.ModelService/SayItAloud"),
        ("HTTPStatus", None, "/speech.ModelService/HTTPStatus"),
        ("2", None, "/speech.ModelService/Call"),
    ],
)
def test_a_method_that_no_proto_has_is_named_after_route_and_service(
    route: str, service: str | None, path: str
) -> None:
    pair = {"endpoint": "/say", "callable": say, "name": route, "schema": (Text, Text)}

    [method] = methods(pair, name=service)

    assert (method.path, method.is_defined) == (path, False)


def test_hints_of_messages_are_a_schema_too() -> None:
    [method] = methods({"endpoint": "/say", "callable": of_messages})

    assert (method.request, method.response) == (Text, Told)


def test_two_routes_of_one_method_are_refused() -> None:
    same = {"callable": say, "schema": SPEECH["Say"]}

    with pytest.raises(ConfigurationError, match=r"'/one' and '/two' are both the method /speech.Speech/Say"):
        methods({"endpoint": "/one", **same}, {"endpoint": "/two", "name": "other", **same})


@pytest.mark.parametrize(
    ("callable_", "schema", "told"),
    [
        (spell, SPEECH["Say"], "returns one message, and the callable makes a stream"),
        (say, SPEECH["Spell"], "returns a stream: let the callable be a generator"),
        (say, SPEECH["Join"], "takes a stream: let the callable's only parameter be an Iterator of Letter"),
        (join, SPEECH["Say"], "takes one message, and the callable takes an iterator"),
    ],
)
def test_a_callable_that_is_not_what_its_proto_says_is_refused(
    callable_: Any, schema: Any, told: str
) -> None:
    with pytest.raises(ConfigurationError, match=told):
        methods({"endpoint": "/say", "callable": callable_, "schema": schema})


@pytest.mark.parametrize(
    ("route", "told"),
    [
        ({"endpoint": "/say", "callable": say}, "no pair of protobuf messages"),
        ({"endpoint": "/say", "callable": say, "schema": (Text, None)}, "no pair of protobuf messages"),
        ({"endpoint": "/say", "callable": say, "schema": (Text, Told), "job": True}, "it has jobs"),
        ({"endpoint": "/<text>", "callable": say, "schema": (Text, Told)}, "variable parts"),
    ],
)
def test_what_is_no_rpc_says_why(route: dict[str, Any], told: str) -> None:
    [described] = [inspect(one) for one in routes.read([route])]

    assert told in (reason_against(described) or "")
    assert methods_of([described], None) == []
