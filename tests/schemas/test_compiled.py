"""The compiled predicate never accepts what `ParseDict` refuses, and accepts at once what clients send."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import numpy as np
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import StringValue
from hypothesis import HealthCheck, given, settings

from aylien_model_serving.schemas.compiled import MAX_DEPTH
from tests.ids import shown
from tests.schemas.fuzz_compiled import Trial, run
from tests.schemas.proto_files import message_class, parse_file
from tests.schemas.proto_oddities import Chameleon, Code, Text, Whole
from tests.schemas.proto_strategies import types_and_values
from tests.selection import examples

EXAMPLE = """
message Request
  string id
  string title
  string body
  Enrichments enrichments
message Enrichments
  Extracted extracted
message Extracted
  Body value
message Body
  string body
message Response
  string version
  string language
  float confidence
  optional string error
"""
TREE = """
message Tree
  Tree left
  repeated Tree children
  map<string,Tree> named
  int32 size
  Value value
"""


def trial_of(text: str, name: str) -> Trial:
    return Trial(text, message_class(text, name))


@settings(max_examples=examples(150), deadline=None, suppress_health_check=list(HealthCheck))
@given(types_and_values(count=4))
def test_no_value_is_accepted_that_parse_dict_refuses(drawn: tuple[str, type[Message], list[object]]) -> None:
    text, message, values = drawn
    trial = Trial(text, message)

    for value in values:
        trial.judge(value)


def test_most_of_what_parse_dict_accepts_is_accepted_at_once() -> None:
    verdicts = run(cases=2_000, seed=20_000)

    assert verdicts["accepted"] > 700
    assert verdicts["refused"] > 200
    assert verdicts["left to ParseDict"] < 0.2 * verdicts["accepted"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Request", {}),
        ("Request", {"id": "1", "title": "Der Titel", "body": "Größe — 日本 😀"}),
        ("Request", {"enrichments": {"extracted": {"value": {"body": "a text"}}}}),
        ("Request", {"id": None, "enrichments": None}),
        ("Response", {"version": "1.0", "language": "en", "confidence": 0.99, "error": None}),
        ("Response", {"version": "1.0", "confidence": 1, "error": "none"}),
    ],
)
def test_ordinary_requests_and_answers_are_accepted_at_once(name: str, value: object) -> None:
    trial = trial_of(EXAMPLE, name)

    assert trial.judge(value)["accepted"] == 1


@pytest.mark.parametrize(
    "value",
    [
        {"version": np.str_("1.0")},
        {"confidence": np.float32(0.5)},
        {"confidence": np.float64(0.5)},
        {"confidence": np.float64("nan")},
        {"confidence": np.array([0.5])},
        {"confidence": Whole(1)},
        {"confidence": Code.ONE},
        {"version": Text("\ud800")},
        {"version": b"1.0"},
        {Text("version"): "1.0"},
        {Chameleon("version"): "1.0", "language": "en"},
        {np.str_("version"): "1.0"},
        OrderedDict(version="1.0"),
        [],
        (),
        None,
        "version",
    ],
    ids=shown,
)
def test_what_json_never_holds_is_left_to_parse_dict(value: object) -> None:
    trial = trial_of(EXAMPLE, "Response")

    assert trial.judge(value)["accepted"] == 0


@pytest.mark.parametrize("name", ["left", "children", "named"])
def test_messages_are_nested_exactly_as_deep_as_parse_dict_allows(name: str) -> None:
    wrap: Callable[[object], object] = {
        "left": lambda inner: inner,
        "children": lambda inner: [{}, inner],
        "named": lambda inner: {"a": inner},
    }[name]
    deepest: object = {"size": 1}
    for _ in range(MAX_DEPTH - 1):
        deepest = {name: wrap(deepest)}
    trial = trial_of(TREE, "Tree")

    assert trial.judge(deepest)["accepted"] == 1
    assert trial.judge({name: wrap(deepest)})["refused"] == 1


@pytest.mark.parametrize("leaf", [1, "a", [], {}, [[]]], ids=ascii)
@pytest.mark.parametrize("is_deeper", [False, True], ids=["in the root", "in a child"])
def test_values_are_nested_exactly_as_deep_as_parse_dict_allows(is_deeper: bool, leaf: object) -> None:
    trial = trial_of(TREE, "Tree")
    value, verdicts = leaf, []

    for _ in range(MAX_DEPTH // 2 + 1):
        value = [value]
        verdicts.append(trial.judge({"left": {"value": value}} if is_deeper else {"value": value}))

    assert verdicts[40]["accepted"] == 1
    assert verdicts[-1]["refused"] == 1
    assert sum(verdict["left to ParseDict"] for verdict in verdicts) == 0


@pytest.mark.parametrize(
    ("message", "value"),
    [
        (Struct, {"a": [1, None, {"b": "c"}]}),
        (Value, None),
        (Value, [1, "a"]),
        (Timestamp, "2024-02-29T12:00:00Z"),
        (StringValue, "a text"),
    ],
)
def test_well_known_types_may_be_the_whole_message(message: type[Message], value: object) -> None:
    trial = Trial(message.DESCRIPTOR.full_name, message)

    assert trial.judge(value)["accepted"] == 1


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("message Timestamp\n  string seconds", "Timestamp", "2024-02-29T12:00:00Z"),
        ("message Value\n  string a", "Value", None),
        ("message Duration\n  bool seconds", "Duration", "1s"),
        ("message ListValue\n  repeated string values", "ListValue", [1]),
    ],
)
def test_a_type_that_bears_the_name_of_a_well_known_one_is_left_to_parse_dict(
    text: str, name: str, value: object
) -> None:
    file = parse_file(text, "google.protobuf")
    file.ClearField("dependency")
    user = FileDescriptorProto(name="user.proto", package="test", syntax="proto3", dependency=[file.name])
    field = user.message_type.add(name="M").field.add(name="a", number=1, label=1, type=11)
    field.type_name = f".google.protobuf.{name}"
    pool = DescriptorPool()
    pool.Add(file)
    pool.Add(user)
    trial = Trial(text, GetMessageClass(pool.FindMessageTypeByName("test.M")))

    assert trial.judge({"a": value})["accepted"] == 0


@pytest.mark.parametrize("name", ["ClearField", "SetInParent", "DESCRIPTOR", "__class__", "Extensions"])
def test_a_type_with_a_field_that_hides_a_method_is_left_to_parse_dict(name: str) -> None:
    trial = trial_of(f"message M\n  int32 {name}\n  int32 a\n  M nested", "M")

    assert trial.judge({name: 1, "a": None})["accepted"] == 0
    assert trial.judge({"nested": {name: 1, "a": None}})["accepted"] == 0


def test_a_name_that_is_also_that_of_a_oneof_is_left_to_parse_dict() -> None:
    trial = trial_of("syntax proto2\nmessage M\n  optional string foo_bar\n  string kind oneof=fooBar", "M")

    assert trial.judge({"fooBar": "a", "kind": "b"})["accepted"] == 0
    assert trial.judge({"foo_bar": "a", "kind": "b"})["accepted"] == 1


def test_a_json_name_wins_over_the_own_name_of_another_field() -> None:
    trial = trial_of("syntax proto2\nmessage M\n  optional string a json=b\n  optional int32 b json=c", "M")

    assert trial.judge({"b": "text", "c": 1})["accepted"] == 1
    assert trial.judge({"b": 1})["refused"] == 1


def test_a_message_with_required_fields_is_left_to_parse_dict() -> None:
    text = "syntax proto2\nmessage M\n  required string a\n  optional string b\nmessage N\n  optional M m"

    assert trial_of(text, "M").judge({"a": "a", "b": "b"})["left to ParseDict"] == 1
    assert trial_of(text, "N").judge({})["accepted"] == 1
