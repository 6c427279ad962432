"""Generates JSON values for a protobuf message type: valid ones, near misses, and values unlike JSON."""

from __future__ import annotations

import base64
from random import Random

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tests.schemas.proto_oddities import ODD, Chameleon, Text

Field = FieldDescriptor


def words(text: str) -> list[str]:
    """Return the words of a text."""
    return text.split()


_NAN = float("nan")
_BOUNDS = [0, 2**31, 2**32, 2**53, 2**63, 2**64, 10**38, 10**39, 10**308, 10**400]
_FLOATS = [
    0.0,
    -0.0,
    0.1,
    1.5,
    1e-400,
    3.4028234663852886e38,
    3.4028235e38,
    1e39,
    1.7976931348623157e308,
    float("nan"),
]
_NUMERALS = words("""
    1 -1 +1 01 1.0 1.50 1e3 1E3 -1e-3 1e400 1_000 ١٢ 0x10 . - 1. .5 nan NaN Nan Infinity -Infinity inf -inf
    INFINITY 9223372036854775807 9223372036854775808 18446744073709551615 2147483648 3.5e38
""")
_SPACED = ["", " 1", "1 ", "1\n", "\t1", "1 000", "1" * 5000]
_TEXTS = ["", "a", "some text", "é", "日本", "😀"]
_ODD_TEXTS = ["\ud800", "\udfff", "\ud83d\ude00", "a\0b", "é\udfff"]
_TIMES = words("""
    1970-01-01T00:00:00Z 2024-02-29T12:34:56.789Z 0001-01-01T00:00:00Z 9999-12-31T23:59:59.999999999Z
    1972-01-01T10:00:20.021-05:00 2020-12-31T23:59:59+14:00
""")
_ODD_TIMES = words("""
    2023-02-29T00:00:00Z 0000-01-01T00:00:00Z 10000-01-01T00:00:00Z 2020-06-30T23:59:60Z 2020-01-01T24:00:00Z
    2020-01-01t00:00:00Z 2020-01-01T00:00:00z 2020-01-01T00:00Z 2020-01-01T00:00:00 2020-1-1T0:0:0Z
    2020-01-01T00:00:00.1234567891Z 2020-01-01T00:00:00+99:99 0001-01-01T00:00:00+01:00
    9999-12-31T23:59:59-01:00 2020-01-01T00:00:00.Z 2020-01-01T00:00:00+0100
""")
_DURATIONS = words("0s 1s -1s 1.5s -0.5s 315576000000s -315576000000.999999999s 0.000000001s")
_ODD_DURATIONS = words("315576000001s 1.1234567891s 1 s .5s 1.s 1e3s -s +1s 1_0s 1.5 -.5s")
_PATHS = ["", "a", "a,b", "fooBar.baz", "é"]
_ODD_PATHS = ["foo_bar", "a,,b", ",", "É", "\ud800", "a b"]
_BASE64 = "ABab01+/-_="


class Values:
    """Draws values; each draws afresh how often its parts are odd, so that many are good altogether.

    Args:
        random: the source of all chance.
        oddity: how often a part is odd, from 0 to 1.
    """

    def __init__(self, random: Random, oddity: float | None = None) -> None:
        """See the class."""
        self._random = random
        self._oddity = random.choice([0.0, 0.0, 0.02, 0.05, 0.1, 0.3]) if oddity is None else oddity

    def message(self, descriptor: Descriptor, depth: int = 0) -> object:
        """Draw a value for a message type that is nested `depth` messages deep."""
        if self._is_odd():
            return self._random.choice(ODD)
        if descriptor.full_name in _WELL_KNOWN:
            return _WELL_KNOWN[descriptor.full_name](self, depth)
        if descriptor.file.name == "google/protobuf/wrappers.proto":
            return self._element(descriptor.fields_by_name["value"], depth)
        if depth == 0 and self._random.random() < 0.02:
            return self._chain(descriptor)
        fields = [field for field in descriptor.fields if self._random.random() < 0.9 / (1 + depth / 2)]
        value: dict[object, object] = {self._name(field): self._field(field, depth) for field in fields}
        if self._random.random() < self._oddity / 4:
            value[self._odd_name(descriptor)] = self._random.choice([None, 1, "a", {}])
        return value

    def _is_odd(self) -> bool:
        return self._random.random() < self._oddity

    def _name(self, field: FieldDescriptor) -> object:
        return self._random.choice([field.name, field.json_name])

    def _odd_name(self, descriptor: Descriptor) -> object:
        name = self._random.choice([field.name for field in descriptor.fields] or ["a"])
        oneofs = [oneof.name for oneof in descriptor.oneofs]
        odd = [
            name,
            name.upper(),
            Text(name),
            Chameleon(name),
            "unknown",
            "[test.x]",
            "",
            1,
            None,
            b"a",
            (),
            *oneofs,
        ]
        return self._random.choice(odd)

    def _field(self, field: FieldDescriptor, depth: int) -> object:
        if self._random.random() < 0.05:
            return None
        if self._is_odd():
            return self._random.choice(ODD)
        if not field.is_repeated:
            return self._element(field, depth)
        count = self._random.choice([0, 1, 1, 2, 3, 20] if depth == 0 else [0, 1, 2])
        if field.message_type is None or not field.message_type.GetOptions().map_entry:
            return [self._element(field, depth) for _ in range(count)]
        entry = field.message_type.fields_by_name
        return {self._key(entry["key"]): self._element(entry["value"], depth) for _ in range(count)}

    def _key(self, field: FieldDescriptor) -> object:
        if field.type == Field.TYPE_BOOL:
            return self._random.choice(
                ["true", "false"] if self._usual() else ["True", "1", True, Text("true")]
            )
        if self._is_odd():
            return self._random.choice([None, True, 1, 1.5, 2**70, "", " 1", "\ud800", b"a", Text("1")])
        value = self._scalar(field)
        return value if isinstance(value, str) else str(value)

    def _element(self, field: FieldDescriptor, depth: int) -> object:
        if field.message_type is not None:
            return self.message(field.message_type, depth + 1)
        return self._random.choice(ODD) if self._is_odd() else self._scalar(field)

    def _scalar(self, field: FieldDescriptor) -> object:
        if field.enum_type is not None:
            values = [(value.name, value.number) for value in field.enum_type.values]
            odd = [2, 2**31, "blue", "0", 1.5]
            return self._random.choice(self._random.choice(values) if self._usual() else odd)
        if field.cpp_type == Field.CPPTYPE_BOOL:
            return self._random.random() < 0.5
        if field.type == Field.TYPE_BYTES:
            return self._bytes()
        if field.type == Field.TYPE_STRING:
            return self._text_of(_TEXTS, _ODD_TEXTS)
        return self._float(field) if field.cpp_type in _FLOAT_TYPES else self._integer(field)

    def _usual(self) -> bool:
        return self._random.random() >= self._oddity

    def _integer(self, field: FieldDescriptor) -> object:
        low, high = _RANGES[field.cpp_type]
        if self._usual():
            number = self._random.choice(
                [low, high, low + 1, high - 1, 0, 1, self._random.randint(low, high)]
            )
        else:
            number = self._random.choice(_BOUNDS) * self._random.choice([1, -1]) + self._random.randint(-1, 1)
        if not self._usual():
            return self._random.choice(
                [float(max(min(number, 10**300), -(10**300))), self._random.choice([*_NUMERALS, *_SPACED])]
            )
        return self._random.choice([number, number, str(number)])

    def _float(self, field: FieldDescriptor) -> object:
        if self._usual():
            number = self._random.choice([0.5, 1, 0, -3, 1e30, -1e-30, self._random.uniform(-1e3, 1e3)])
            return self._random.choice([number, number, number, str(number), "NaN", "-Infinity", "Infinity"])
        return (
            self._random.choice([*_FLOATS, *_BOUNDS, *_NUMERALS, *_SPACED])
            if self._usual()
            else self._integer(field)
        )

    def _bytes(self) -> str:
        if self._usual():
            data = self._random.getrandbits(8 * self._random.randint(1, 9)).to_bytes(9, "big")
            encode = self._random.choice([base64.b64encode, base64.urlsafe_b64encode])
            text = encode(data[: self._random.randint(0, 9)]).decode()
            return text.rstrip("=") if self._random.random() < 0.5 else text
        return "".join(self._random.choice(_BASE64) for _ in range(self._random.randint(0, 9)))

    def _mutated(self, text: str) -> str:
        if self._usual() or not text:
            return text
        at = self._random.randrange(len(text))
        return (
            text[:at] + self._random.choice("0 9:-+.,sZT_aé=\ud800") + text[at + self._random.randint(0, 1) :]
        )

    def _value(self, depth: int) -> object:
        kind = self._random.choice(
            ["scalar", "scalar", "scalar", "list", "dict"] if depth < 5 else ["scalar"]
        )
        if kind == "list":
            return self._list(depth)
        if kind == "dict":
            return self._struct(depth)
        numbers = [*_FLOATS, *_BOUNDS] if not self._usual() else [0, 1, -1.5, 1e300]
        text = self._text_of(_TEXTS, _ODD_TEXTS)
        return self._random.choice([None, True, text, float("nan"), *numbers])

    def _list(self, depth: int) -> object:
        if self._random.random() < 0.02:
            return self._nested_lists()
        count = self._random.choice([0, 1, 3])
        return [self._random.choice(ODD) if self._is_odd() else self._value(depth + 1) for _ in range(count)]

    def _struct(self, depth: int) -> object:
        names = [self._text_of(_TEXTS, _ODD_TEXTS) for _ in range(2)]
        return {name: self._value(depth + 1) for name in names}

    def _nested_lists(self) -> object:
        value: object = self._random.choice([[], {}, None, 1, "a"])
        for _ in range(self._random.randint(45, 51)):
            value = self._random.choice([[value], {"a": value}])
        return value

    def _chain(self, descriptor: Descriptor) -> object:
        """Nest messages about as deep as `ParseDict` allows, where the type does."""
        value: object = {}
        links = [
            field
            for field in descriptor.fields
            if field.message_type is not None and field.message_type.full_name == descriptor.full_name
        ]
        for _ in range(self._random.randint(97, 102) if links else 0):
            field = self._random.choice(links)
            value = {field.name: [value] if field.is_repeated else value}
        return value

    def _any(self, depth: int) -> object:
        names = ["test.M", "test.N", "google.protobuf.Int32Value", "google.protobuf.Struct"]
        url = f"type.googleapis.com/{self._random.choice(names)}"
        return self._random.choice([{}, {}, {"@type": url}, {"@type": url, "value": {}}])

    def _text_of(self, good: list[str], odd: list[str]) -> str:
        return self._mutated(self._random.choice(good if self._usual() else odd))


_FLOAT_TYPES = (Field.CPPTYPE_FLOAT, Field.CPPTYPE_DOUBLE)
_RANGES = {
    Field.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    Field.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    Field.CPPTYPE_UINT32: (0, 2**32 - 1),
    Field.CPPTYPE_UINT64: (0, 2**64 - 1),
    Field.CPPTYPE_FLOAT: (-(2**60), 2**60),
    Field.CPPTYPE_DOUBLE: (-(2**60), 2**60),
}
_WELL_KNOWN = {
    "google.protobuf.Any": Values._any,
    "google.protobuf.Duration": lambda values, depth: values._text_of(_DURATIONS, _ODD_DURATIONS),
    "google.protobuf.FieldMask": lambda values, depth: values._text_of(_PATHS, _ODD_PATHS),
    "google.protobuf.ListValue": Values._list,
    "google.protobuf.Struct": Values._struct,
    "google.protobuf.Timestamp": lambda values, depth: values._text_of(_TIMES, _ODD_TIMES),
    "google.protobuf.Value": Values._value,
}
