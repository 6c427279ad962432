"""Compiled conversions of messages to dicts, compared with `MessageToDict` over random types and messages."""

from collections.abc import Iterator
from random import Random
from typing import cast
from unittest.mock import patch

import pytest
from google.protobuf import (
    any_pb2,
    descriptor_pool,
    duration_pb2,
    json_enumvalue_options_pb2,
    json_format,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.json_format import Error, MessageToDict, ParseDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given
from hypothesis import strategies as st

from aylien_model_serving.codecs.protobuf_dicts import compile_to_dict
from tests.schemas.proto_files import descriptor_of
from tests.schemas.proto_strategies import random_type
from tests.schemas.proto_values import Values
from tests.selection import examples

MESSAGES_PER_TYPE = 25


def written_by_protobuf(message: Message) -> object:
    """Return what protobuf writes, but for NaN and infinities, which stay numbers here."""
    numbers = {"_NAN": float("nan"), "_INFINITY": float("inf"), "_NEG_INFINITY": float("-inf")}
    try:
        with patch.multiple(json_format, **numbers):
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


def type_with_options() -> type[Message]:
    """Return a type with an enum, one of whose values is deprecated and one has another name in JSON."""
    pool = descriptor_pool.Default()  # where protobuf itself looks for options
    file = FileDescriptorProto(name="tests/options.proto", package="tests.options", syntax="proto3")
    file.dependency.append(json_enumvalue_options_pb2.DESCRIPTOR.name)
    colour = file.enum_type.add(name="Colour")
    for number, name in enumerate(("RED", "GREEN", "BLUE")):
        colour.value.add(name=name, number=number)
    colour.value[1].options.deprecated = True
    colour.value[2].options.Extensions[json_enumvalue_options_pb2.json].string = "azure"
    kind = file.message_type.add(name="Kind")
    for number, name in enumerate(("one", "many"), 1):
        label = FieldDescriptorProto.LABEL_REPEATED if name == "many" else FieldDescriptorProto.LABEL_OPTIONAL
        kind.field.add(
            name=name,
            number=number,
            label=label,
            type=FieldDescriptorProto.TYPE_ENUM,
            type_name=".tests.options.Colour",
        )
    pool.AddSerializedFile(file.SerializeToString())
    return GetMessageClass(pool.FindMessageTypeByName("tests.options.Kind"))


def test_the_value_of_an_enum_has_the_name_that_its_option_gives_it() -> None:
    message = type_with_options()(one=2, many=[0, 1, 2, 2, 7])

    assert written_here(message) == {"one": "azure", "many": ["RED", "GREEN", "azure", "azure", 7]}
    assert written_here(message) == written_by_protobuf(message)


@given(
    kind=st.sampled_from([duration_pb2.Duration, timestamp_pb2.Timestamp]),
    seconds=st.integers(-400_000_000_000, 400_000_000_000) | st.integers(-100, 100),
    nanos=st.one_of(
        st.integers(-(2**31), 2**31 - 1),
        st.builds(int.__mul__, st.integers(0, 999), st.sampled_from([1, 1000, 1_000_000])),
    ),
)
def test_points_in_time_and_durations_are_written_as_protobuf_writes_them(
    kind: type[duration_pb2.Duration | timestamp_pb2.Timestamp], seconds: int, nanos: int
) -> None:
    message = kind(seconds=seconds, nanos=nanos)

    assert written_here(message) == written_by_protobuf(message)
