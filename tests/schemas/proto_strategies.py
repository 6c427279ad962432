"""Generates protobuf message types: every kind of field, recursive, and names in each other's way.

All chance comes from one `random.Random`, so that hypothesis, which shrinks one, and the long run share it.
"""

from __future__ import annotations

from random import Random

from google.protobuf.message import Message
from hypothesis import strategies as st

from tests.schemas.proto_files import descriptor_of, message_class
from tests.schemas.proto_values import Values, words

_INTEGERS = words("int32 sint32 sfixed32 uint32 fixed32 int64 sint64 sfixed64 uint64 fixed64")
_SCALARS = [*_INTEGERS, "float", "double", "bool", "string", "bytes", "Color"]
_KEYS = [*_INTEGERS, "bool", "string"]
_WELL_KNOWN = words("""
    Any Duration Empty FieldMask ListValue Struct Timestamp Value NullValue BoolValue BytesValue DoubleValue
    FloatValue Int32Value Int64Value StringValue UInt32Value UInt64Value
""")
_MESSAGES = ("M", "N")
_NAMES = words("""
    a b id foo_bar foo_Bar fooBar foobar value values kind x1_y _x x_ a__b null nan items fields seconds name
""")
_ODD_NAMES = ["ClearField", "SetInParent", "DESCRIPTOR", "__class__", "HasField", "Extensions"]
_ODD_JSON_NAMES = ["a", "kind", "choice", "fooBar", "é", "[a.b]", "@type", "x-y", "foo_bar"]
_ENUMS = ["RED=0 GREEN=1", "RED=0 GREEN=1 BLUE=-1", "RED=0 ROUGE=0 LAST=2147483647", "RED=0 A=7 a=8"]
_ONEOFS = ["choice", "fooBarChoice", "x1Y", "aB"]


def random_schema(random: Random) -> str:
    """Return the text of a file, as `proto_files` reads it, whose message `M` is to be compiled."""
    syntax = random.choice(["proto3", "proto3", "proto2", "delimited"])
    lines = [f"syntax {syntax}", f"enum Color {random.choice(_ENUMS)}"]
    for message in _MESSAGES:
        lines.append(f"message {message}")
        if syntax == "proto2" and random.random() < 0.2:
            lines.append("  extensions")
        names = random.sample(_NAMES, random.randint(1, 6))
        if random.random() < 0.03:
            names.append(random.choice(_ODD_NAMES))
        lines += [f"  {_random_field(random, syntax, name)}" for name in names]
    return "\n".join(lines)


def _random_field(random: Random, syntax: str, name: str) -> str:
    form = random.choice(["single", "single", "repeated", "map", "oneof", "oneof", "optional"])
    kind = _random_type(random)
    json = f" json={random.choice(_ODD_JSON_NAMES)}" if random.random() < 0.05 else ""
    if form == "map":
        return f"map<{random.choice(_KEYS)},{kind}> {name}{json}"
    if syntax == "proto2":
        if random.random() < 0.03:
            return f"required {kind} {name}{json}"
        if random.random() < 0.1:
            kind = f"group:{random.choice(_MESSAGES)}"
    if form == "oneof":
        return f"{kind} {name} oneof={random.choice(_ONEOFS)}{json}"
    if form == "repeated" or (form == "optional" and syntax != "delimited"):
        return f"{form} {kind} {name}{json}"
    return f"{kind} {name}{json}"


def _random_type(random: Random) -> str:
    dice = random.random()
    if dice < 0.6:
        return random.choice(_SCALARS)
    return random.choice(_MESSAGES if dice < 0.8 else _WELL_KNOWN)


def random_type(random: Random) -> tuple[str, type[Message]]:
    """Return the text of a file that a descriptor pool takes, and the class of its message `M`."""
    while True:
        text = random_schema(random)
        try:
            return text, message_class(text, "M")
        except TypeError:
            # The pool refuses names that clash; most of those that get in each other's way it takes.
            continue


@st.composite
def types_and_values(draw: st.DrawFn, count: int) -> tuple[str, type[Message], list[object]]:
    """Draw the text of a file, the class of its message, and as many JSON values for it, good and bad."""
    random = draw(st.randoms(use_true_random=False))
    text, message = random_type(random)
    return text, message, [Values(random).message(descriptor_of(message)) for _ in range(count)]
