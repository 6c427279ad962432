"""Type hints with values that fit them and values that don't, and what the API's description says of them.

`python -m tests.schemas.hint_rows` writes the table in docs/guide/schemas.md, which is made of these rows.
"""

# ruff: noqa: F401  # what the hints name is found by `eval`
from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import enum
import importlib
import ipaddress
import json
import re
import uuid
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal, NamedTuple, NewType, TypeVar, Union

import annotated_types as at
import msgspec
import numpy as np
import numpy.typing as npt
import pydantic
from typing_extensions import TypedDict

from aylien_model_serving import DType, Shape

UserId = NewType("UserId", int)
Number = TypeVar("Number", bound=float)


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


class Share(enum.Enum):
    HALF = 0.5


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


@dataclasses.dataclass
class Circle:
    radius: float


@dataclasses.dataclass
class Square:
    side: float
    area: float = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.area = self.side**2


@dataclasses.dataclass
class Scaled:
    value: float
    factor: dataclasses.InitVar[float]

    def __post_init__(self, factor: float) -> None:
        self.value *= factor


@dataclasses.dataclass
class Dice:
    eyes: Annotated[int, at.Interval(ge=1, le=6)]


@dataclasses.dataclass
class Rated:
    stars: int = pydantic.Field(le=5)


@pydantic.dataclasses.dataclass
class Named:
    name: Annotated[str, pydantic.Field(min_length=1)]


class Point(TypedDict):
    x: int


class Bounded(TypedDict):
    x: Annotated[int, at.Lt(10)]


class Pair(NamedTuple):
    left: int
    right: int = 0


class Person(pydantic.BaseModel):
    name: str


class Record(msgspec.Struct):
    a: int


#: The names of packages that some rows alone need.
NAMES = {"torch": "torch", "pandas": "pd", "polars": "pl"}


class Made(NamedTuple):
    """A value of a package that not everybody has.

    Args:
        package: the package.
        code: makes the value.
    """

    package: str
    code: str


@dataclasses.dataclass(frozen=True)
class Row:
    """One hint.

    Args:
        hint: as it is written.
        sent: a value of JSON that fits.
        arrives: what the handler gets.
        refused: a value of JSON that does not fit.
        schema: the JSON Schema of the parameter, without components.
    """

    hint: str
    sent: Any
    arrives: Any
    refused: Any
    schema: dict[str, Any]

    @property
    def type(self) -> Any:
        return eval(self.hint, {**globals(), **self._modules()})  # a row of this file

    @property
    def arrived(self) -> Any:
        """What the handler gets, as a value."""
        if not isinstance(self.arrives, Made):
            return self.arrives
        return eval(self.arrives.code, {**globals(), **self._modules()})

    def _modules(self) -> dict[str, Any]:
        """Return the packages that this row alone needs, by the names that it has for them."""
        package = self.arrives.package if isinstance(self.arrives, Made) else ""
        return {NAMES[package]: importlib.import_module(package)} if package else {}


_TEXT = {"type": "string"}
_INT = {"type": "integer"}
_NUMBER = {"type": "number"}
_INTS = {"type": "array", "items": _INT}
_UUID = "2b0e3a4e-6c9a-4a55-9b8e-6d8a1f0d5f11"


def _component(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(values: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": values}


ROWS = [
    Row("int", 3, 3, "3", _INT),
    Row("float", 3, 3.0, "3", {"type": "number"}),
    Row("bool", True, True, 1, {"type": "boolean"}),
    Row("str", "a", "a", 3, _TEXT),
    Row("bytes", "YWJj", b"abc", "?", _TEXT | {"contentEncoding": "base64"}),
    Row("bytearray", "YWJj", bytearray(b"abc"), 3, _TEXT | {"contentEncoding": "base64"}),
    Row("None", None, None, 3, {"type": "null"}),
    Row("int | None", None, None, "3", {"anyOf": [_INT, {"type": "null"}]}),
    Row("int | str", "3", "3", 1.5, {"anyOf": [_INT, _TEXT]}),
    Row("UserId", 3, 3, "3", _INT),
    Row("Number", 3.5, 3.5, "3", {"type": "number"}),
    Row("Literal[1, 'a']", "a", "a", 2, {"enum": [1, "a"]}),
    Row("list[int]", [1], [1], ["1"], _INTS),
    Row("Sequence[int]", [1], [1], ["1"], _INTS),
    Row("Collection[int]", [1], [1], ["1"], _INTS),
    Row("Iterable[int]", [1], [1], ["1"], _INTS),
    Row("deque[int]", [1], deque([1]), ["1"], _INTS),
    Row("set[int]", [1, 1], {1}, ["1"], _INTS | {"uniqueItems": True}),
    Row("frozenset[int]", [1], frozenset({1}), ["1"], _INTS | {"uniqueItems": True}),
    Row("tuple[int, ...]", [1], (1,), ["1"], _INTS),
    Row("tuple[int, str]", [1, "a"], (1, "a"), [1], {"type": "array", "minItems": 2}),
    Row("dict[str, int]", {"a": 1}, {"a": 1}, {"a": "1"}, _object(_INT)),
    Row("Mapping[str, int]", {"a": 1}, {"a": 1}, {"a": "1"}, _object(_INT)),
    Row("dict[int, float]", {"1": 2}, {1: 2.0}, {"a": 2}, _object({"type": "number"})),
    Row("dict[float, int]", {"1.5": 2}, {1.5: 2}, {"a": 2}, _object(_INT)),
    Row("dict[Level, int]", {"1": 2}, {Level.LOW: 2}, {"2": 2}, _object(_INT)),
    Row("dict[Literal[1, 2], int]", {"1": 2}, {1: 2}, {"3": 2}, _object(_INT)),
    Row("OrderedDict[str, int]", {"a": 1}, OrderedDict(a=1), {"a": "1"}, _object(_INT)),
    Row("defaultdict[str, int]", {"a": 1}, defaultdict(int, a=1), {"a": "1"}, _object(_INT)),
    Row("Counter[str]", {"a": 1}, Counter(a=1), {"a": "1"}, _object(_INT)),
    Row("dt.date", "2020-01-02", dt.date(2020, 1, 2), "soon", _TEXT | {"format": "date"}),
    Row(
        "dt.datetime",
        "2020-01-02T03:04:05Z",
        dt.datetime(2020, 1, 2, 3, 4, 5, tzinfo=dt.timezone.utc),
        "2020",
        _TEXT,
    ),
    Row("dt.time", "03:04:05", dt.time(3, 4, 5), "3", _TEXT),
    Row("dt.timedelta", "PT90S", dt.timedelta(seconds=90), 90, _TEXT | {"format": "duration"}),
    Row("uuid.UUID", _UUID, uuid.UUID(_UUID), "1", _TEXT | {"format": "uuid"}),
    Row("Decimal", "1.10", Decimal("1.10"), "a", _TEXT | {"format": "decimal"}),
    Row("Decimal | None", 1.5, Decimal("1.5"), "a", {}),
    Row("Fraction", "1/3", Fraction(1, 3), "a", {}),
    Row("complex", "1+2j", 1 + 2j, "a", _TEXT),
    Row("PurePath", "a/b", PurePath("a/b"), 3, _TEXT | {"format": "path"}),
    Row(
        "ipaddress.IPv4Address",
        "1.2.3.4",
        ipaddress.IPv4Address("1.2.3.4"),
        "1.2.3",
        _TEXT | {"format": "ipv4"},
    ),
    Row("Colour", "red", Colour.RED, "blue", _component("Colour")),
    Row("Level", 1, Level.LOW, 2, _component("Level")),
    Row("Share", 0.5, Share.HALF, 0.6, _component("Share")),
    Row("Rights", 1, Rights.READ, "READ", _component("Rights")),
    Row("Circle", {"radius": 1}, Circle(1.0), {}, _component("Circle")),
    Row("Square", {"side": 2}, Square(2.0), {"side": "2"}, _component("Square")),
    Row("Scaled", {"value": 2, "factor": 3}, Scaled(2.0, 3.0), {"value": 2}, _component("Scaled")),
    Row("Dice", {"eyes": 6}, Dice(6), {"eyes": 7}, _component("Dice")),
    Row("Rated", {"stars": 5}, Rated(5), {"stars": 6}, _component("Rated")),
    Row("Named", {"name": "a"}, Named("a"), {"name": ""}, _component("Named")),
    Row("Circle | Square", {"side": 2}, Square(2.0), {"edge": 2}, {}),
    Row("Point", {"x": 1}, {"x": 1}, {"x": "1"}, _component("Point")),
    Row("Bounded", {"x": 9}, {"x": 9}, {"x": 10}, _component("Bounded")),
    Row("Pair", [1], Pair(1), {"left": 1}, _component("Pair")),
    Row("Record", {"a": 1}, Record(1), {"a": "1"}, _component("Record")),
    Row("Record | Circle", {"a": 1}, Record(1), {"b": 1}, {}),
    Row("Person", {"name": "Ada"}, Person(name="Ada"), {}, {}),
    Row("Person | int", 3, 3, "3", {}),
    Row("Person | list[int]", [3], [3], ["3"], {}),
    Row("np.ndarray", [[1, 2]], np.array([[1, 2]]), ["1"], {}),
    Row("npt.NDArray[np.float32]", [1, 2], np.array([1, 2], np.float32), [None], {}),
    Row("npt.NDArray[np.int8]", [1, 2.0], np.array([1, 2], np.int8), [1.5], {}),
    Row(
        "Annotated[np.ndarray, Shape(None, 2), DType('float32')]",
        [[1, 2]],
        np.array([[1, 2]], np.float32),
        [[1, 2, 3]],
        {"type": "array", "items": {"type": "array", "items": _NUMBER, "minItems": 2, "maxItems": 2}},
    ),
    Row("torch.Tensor", [1, 2.5], Made("torch", "torch.tensor([1, 2.5])"), ["1"], {}),
    Row(
        "Annotated[torch.Tensor, Shape(2), DType('int8')]",
        [1, 2],
        Made("torch", "torch.tensor([1, 2], dtype=torch.int8)"),
        [1, 2, 3],
        {"type": "array", "items": _INT, "minItems": 2, "maxItems": 2},
    ),
    Row("pd.DataFrame", [{"a": 1}], Made("pandas", "pd.DataFrame({'a': [1]})"), [{"a": [1]}], {}),
    Row("pd.Series", [1, 2], Made("pandas", "pd.Series([1, 2])"), [1, "a"], {"type": "array"}),
    Row("pl.DataFrame", {"a": [1]}, Made("polars", "pl.DataFrame({'a': [1]})"), {"a": 1}, {}),
    Row("pl.Series", ["a"], Made("polars", "pl.Series(['a'])"), {"a": 1}, {"type": "array"}),
    Row("npt.NDArray[np.float32] | Circle", {"radius": 1}, Circle(1.0), {"a": 1}, {}),
    Row("Annotated[int, msgspec.Meta(le=5)]", 5, 5, 6, _INT | {"maximum": 5}),
    Row("Annotated[int, at.Le(5)]", 5, 5, 6, _INT | {"maximum": 5}),
    Row("Annotated[list[int], at.Len(1, 2)]", [1], [1], [], _INTS | {"minItems": 1, "maxItems": 2}),
    Row("Annotated[float, at.Gt(0), at.MultipleOf(0.5)]", 1, 1.0, 0.7, {"type": "number"}),
    Row("Annotated[str, at.Predicate(str.islower)]", "a", "a", "A", _TEXT),
    Row("Annotated[int, pydantic.Field(le=5)]", 5, 5, 6, _INT | {"maximum": 5}),
    Row("list[Annotated[int, pydantic.Field(le=5)]]", [5], [5], [6], {"type": "array"}),
    Row("Annotated[str, pydantic.AfterValidator(str.upper)]", "a", "A", 3, _TEXT),
    Row("Annotated[str, 'a remark']", "a", "a", 3, _TEXT),
    Row("pydantic.PositiveInt", 1, 1, 0, _INT | {"exclusiveMinimum": 0}),
    Row("pydantic.StrictBool", True, True, 1, {"type": "boolean"}),
    Row("pydantic.conint(le=3)", 3, 3, 4, _INT | {"maximum": 3}),
    Row("pydantic.constr(min_length=2)", "ab", "ab", "a", _TEXT | {"minLength": 2}),
    Row("pydantic.conlist(int, min_length=1)", [1], [1], [], _INTS | {"minItems": 1}),
    Row("pydantic.SecretStr", "a", pydantic.SecretStr("a"), 3, _TEXT | {"format": "password"}),
    Row("pydantic.Json[int]", "3", 3, 3, _TEXT),
    Row("pydantic.ByteSize", "3kB", pydantic.ByteSize(3000), "many", {}),
    Row("pydantic.Base64Bytes", "WVdKag==", b"abc", "?", _TEXT),
    Row("pydantic.UUID4", _UUID, uuid.UUID(_UUID), _UUID.replace("-4", "-1"), _TEXT | {"format": "uuid4"}),
    Row("pydantic.PastDate", "2020-01-02", dt.date(2020, 1, 2), "9999-01-01", _TEXT | {"format": "date"}),
    Row(
        "pydantic.NaiveDatetime",
        "2020-01-02T03:04:05",
        dt.datetime(2020, 1, 2, 3, 4, 5),
        "2020-01-02T03:04:05Z",
        _TEXT,
    ),
    Row("pydantic.AnyHttpUrl", "http://a/", pydantic.AnyHttpUrl("http://a/"), "a", _TEXT | {"format": "uri"}),
    Row("pydantic.JsonValue", {"a": [1]}, {"a": [1]}, ..., {}),
    Row("Any", {"a": [1]}, {"a": [1]}, ..., {}),
    Row("object", {"a": [1]}, {"a": [1]}, ..., {}),
]

GUIDE = Path(__file__).parents[2] / "docs/guide/schemas.md"

_HEAD = "| hint | JSON that fits | what the handler gets | JSON that does not |\n|---|---|---|---|\n"


def table_of_hints() -> str:
    """Return the rows as a table in Markdown."""
    return _HEAD + "".join(
        f"| {_code(row.hint)} | {_code(json.dumps(row.sent))} | {_arrived(row)} | {_refused(row)} |\n"
        for row in ROWS
    )


def _arrived(row: Row) -> str:
    if isinstance(row.arrives, Made):
        return _code(row.arrives.code)
    if isinstance(row.arrives, OrderedDict):  # whose repr is another one from Python 3.12 on
        return _code(f"OrderedDict({dict(row.arrives)})")
    return _code(re.sub(r"<(\w+\.\w+)[^<>]*: .*?>", r"\1", repr(row.arrives)))


def _refused(row: Row) -> str:
    return "" if row.refused is ... else _code(json.dumps(row.refused))


def _code(text: str) -> str:
    return "`" + text.replace("|", "\\|").replace("tests.schemas.hint_rows.", "") + "`"


if __name__ == "__main__":
    before, _, rest = GUIDE.read_text().partition(_HEAD)
    GUIDE.write_text(before + table_of_hints() + rest[rest.index("\n\n") + 1 :])
