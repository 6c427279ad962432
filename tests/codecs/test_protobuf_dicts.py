"""Compiled conversions of messages to dicts, compared with `MessageToDict` over random types and messages."""

from collections.abc import Iterator
from random import Random
from typing import cast

import pytest
from google.protobuf import any_pb2, struct_pb2, timestamp_pb2, wrappers_pb2
from google.protobuf.json_format import Error, MessageToDict, ParseDict
from google.protobuf.message import Message

from aylien_model_serving.codecs.protobuf_dicts import compile_to_dict
from tests.schemas.proto_files import descriptor_of
from tests.schemas.proto_strategies import random_type
from tests.schemas.proto_values import Values
from tests.selection import examples

MESSAGES_PER_TYPE = 25


def written_by_protobuf(message: Message) -> object:
    try:
        return MessageToDict(message, preserving_proto_field_name=True)
    except (Error, TypeError, ValueError) as error:
        return str(error)


def written_here(message: Message) -> object:
    try:
        return compile_to_dict(descriptor_of(type(message)))(message)
    except (Error, TypeError, ValueError) as error:
        return str(error)


def random_messages(random: Random) -> Iterator[Message]:
    _, kind = random_type(random)
    for _ in range(MESSAGES_PER_TYPE):
        try:
            value = Values(random).message(descriptor_of(kind))
            yield ParseDict(cast("dict[str, object]", value), kind())
        except Exception:  # whatever is no message
            continue


@pytest.mark.parametrize("seed", range(examples(60)))
def test_a_message_becomes_what_protobuf_itself_makes_of_it(seed: int) -> None:
    for message in random_messages(Random(seed)):
        assert repr(written_here(message)) == repr(written_by_protobuf(message))


def listed(*values: object) -> struct_pb2.ListValue:
    found = struct_pb2.ListValue()
    found.extend(values)
    return found


def packed(message: Message) -> any_pb2.Any:
    found = any_pb2.Any()
    found.Pack(message)
    return found


@pytest.mark.parametrize(
    "message",
    [
        any_pb2.Any(),
        any_pb2.Any(type_url="somewhere/of.Nothing"),
        packed(wrappers_pb2.Int64Value(value=7)),
        timestamp_pb2.Timestamp(),
        timestamp_pb2.Timestamp(seconds=-62135596800),
        timestamp_pb2.Timestamp(seconds=-62135596801),
        timestamp_pb2.Timestamp(seconds=253402300799, nanos=1000),
        timestamp_pb2.Timestamp(seconds=253402300800),
        timestamp_pb2.Timestamp(seconds=2**62),
        listed(None, True, 1.5, "text", [1.0, {"a": None}], {}),
        struct_pb2.Value(number_value=float("nan")),
        struct_pb2.Value(),
        wrappers_pb2.FloatValue(value=0.1),
        wrappers_pb2.DoubleValue(value=float("-inf")),
        wrappers_pb2.BytesValue(value=b"\xff"),
    ],
    ids=repr,
)
def test_a_well_known_type_becomes_what_protobuf_itself_makes_of_it(message: Message) -> None:
    assert written_here(message) == written_by_protobuf(message)
