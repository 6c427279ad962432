"""Values that are made to collide in a set, or as the keys of a dict.

Pure. Python hashes an integer to its remainder modulo 2**61 - 1: making a set of n integers of one remainder
takes n**2 steps. Of those of 64 bits no more than nine have the same one, but integers in JSON may be longer.
The hashes of tuples, UUIDs, decimals and points in time are made of such remainders, so only few of these are
taken. Texts and bytes are hashed with a secret of the process, but texts of digits become integers where they
come from a form, and in a model that is not strict: few are taken that are longer.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from aylien_model_serving.errors import SchemaMismatch

if TYPE_CHECKING:
    from pydantic import BaseModel

_SMALLEST, _LARGEST = -(2**63), 2**64 - 1

#: Digits of an integer of 64 bits.
_DIGITS = 20

#: Items of a list or a dict whose hashes can be chosen: a set of them takes a tenth of a second at worst.
MAX_CHOSEN = 1000


class Hashed(NamedTuple):
    """What is hashed when a value is made.

    Args:
        integers: integers, as items or as keys.
        keys: integers as keys, which are texts in JSON.
        others: what else a client can choose the hash of.
    """

    integers: bool = False
    keys: bool = False
    others: bool = False

    def refuse(self, field: str, value: Any) -> None:
        """Refuse a value that may have been made to collide.

        Raises:
            SchemaMismatch: it names the field.
        """
        if self.integers and _holds_large_integer(value, self.keys):
            raise SchemaMismatch(f"{field}: Integers in sets and keys have at most 64 bits")
        if self.integers and _large_texts_in(value) > MAX_CHOSEN:
            raise SchemaMismatch(
                f"{field}: At most {MAX_CHOSEN:,} texts are accepted that are integers of more than 64 bits"
            )
        if self.others and _is_longer(value, MAX_CHOSEN):
            raise SchemaMismatch(f"{field}: At most {MAX_CHOSEN:,} items are accepted in each list or object")


def of_hint(hint: Any) -> Hashed:
    """Return what is hashed when a value of a type is made; pydantic's models are not looked into."""
    return _hashed(_kinds_in_hint(msgspec.inspect.type_info(hint), set()))


def of_model(model: type[BaseModel]) -> Hashed:
    """Return what is hashed when a model of pydantic's is made."""
    if not model.__pydantic_complete__:  # it names types that were defined later
        model.model_rebuild(raise_errors=False)
    return _hashed(_kinds_in_core_schema(model.__pydantic_core_schema__))


def together(several: list[Hashed]) -> Hashed:
    """Return what is hashed when several values are made."""
    return Hashed(*map(any, zip(*several, strict=True))) if several else Hashed()


def _hashed(kinds: Iterator[tuple[bool, str]]) -> Hashed:
    """Return what is hashed by the kinds of what is, each of which is a key or an item of a set."""
    found = list(kinds)
    return Hashed(
        integers=any(kind in _INTEGERS for _, kind in found),
        keys=any(is_key and kind in _INTEGERS for is_key, kind in found),
        others=any(kind not in _SAFE | _INTEGERS for _, kind in found),
    )


#: What msgspec and pydantic call integers, and what may be one.
_INTEGERS = frozenset({"IntType", "AnyType", "int", "any"})

#: What msgspec and pydantic call values whose hashes can't be chosen, or of which few have the same one.
_SAFE = frozenset(
    {
        *("StrType", "BoolType", "BytesType", "NoneType", "FloatType", "EnumType", "LiteralType", "DateType"),
        *("str", "bool", "bytes", "none", "float", "enum", "literal", "date", "url", "multi-host-url"),
    }
)


def _kinds_in_hint(node: Any, seen: set[int]) -> Iterator[tuple[bool, str]]:
    if not isinstance(node, (tuple, msgspec.inspect.Type, msgspec.inspect.Field)) or id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, (msgspec.inspect.SetType, msgspec.inspect.FrozenSetType)):
        yield from ((False, kind) for kind in _names_of(node.item_type))
    if isinstance(node, msgspec.inspect.DictType):
        yield from ((True, kind) for kind in _names_of(node.key_type) if kind != "AnyType")
    inner = node if isinstance(node, tuple) else (getattr(node, name) for name in node.__struct_fields__)
    for part in inner:
        yield from _kinds_in_hint(part, seen)


def _names_of(node: msgspec.inspect.Type) -> list[str]:
    parts = node.types if isinstance(node, msgspec.inspect.UnionType) else (node,)
    return [type(part).__name__ for part in parts]


def _kinds_in_core_schema(node: Any) -> Iterator[tuple[bool, str]]:
    """Yield the kinds in the form in which pydantic describes a type to its core: nested dicts and lists."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if node.get("type") in ("set", "frozenset"):
                yield from ((False, kind) for kind in _types_in(node.get("items_schema", _ANY)))
            if "keys_schema" in node:
                yield from ((True, kind) for kind in _types_in(node["keys_schema"]))
            waiting += node.values()
        elif isinstance(node, (list, tuple)):
            waiting += node


_ANY = {"type": "any"}


def _types_in(schema: Any) -> Iterator[str]:
    """Yield the types of the values that a core schema describes, without those that wrap others."""
    inner = [schema[key] for key in _WRAPPED if key in schema]
    inner += [choice[0] if isinstance(choice, tuple) else choice for choice in schema.get("choices", ())]
    inner += schema.get("steps", ())
    if not inner:
        yield schema["type"]
    for each in inner:
        yield from _types_in(each)


_WRAPPED = ("schema", "lax_schema", "json_schema", "python_schema")


def _holds_large_integer(value: Any, keys: bool) -> bool:
    if type(value) is int:
        return not _SMALLEST <= value <= _LARGEST
    if type(value) is dict:
        if keys and any(len(key) >= _DIGITS and _is_large(key) for key in value):
            return True
        return any(_holds_large_integer(item, keys) for item in value.values())
    return type(value) is list and any(_holds_large_integer(item, keys) for item in value)


def _large_texts_in(value: Any) -> int:
    """Return how many values there are that become integers of more than 64 bits where one is expected."""
    kind = type(value)
    if kind is str:
        return len(value) >= _DIGITS and _is_large(value)
    if kind is dict:
        return sum(map(_large_texts_in, value.values()))
    if kind is list:
        return sum(map(_large_texts_in, value))
    return kind is Decimal and not _SMALLEST <= value <= _LARGEST


def _is_large(text: str) -> bool:
    """Return whether a text is an integer of more than 64 bits, in a way in which pydantic reads one."""
    digits = text.strip().lstrip("+-0").replace("_", "").partition(".")[0]
    return digits.isdigit() and (len(digits) > _DIGITS or int(digits) > _LARGEST)


def _is_longer(value: Any, most: int) -> bool:
    if type(value) not in (dict, list):
        return False
    return len(value) > most or any(
        _is_longer(item, most) for item in (value.values() if type(value) is dict else value)
    )
