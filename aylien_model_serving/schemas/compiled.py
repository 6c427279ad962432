"""Compiles a protobuf message type into a fast predicate that accepts most valid JSON values.

It returns True only where `json_format.ParseDict` is certain to succeed; False means "call `ParseDict`",
which stays the only source of errors and of their messages. Written here since protobuf checks JSON only by
`ParseDict`, which builds a whole message field by field in Python, in many times the time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.empty_pb2 import Empty

from aylien_model_serving.schemas.compiled_scalars import (
    Accepts,
    Check,
    key_check,
    one_by_one,
    refuses,
    scalar_check,
)
from aylien_model_serving.schemas.compiled_wellknown import is_genuine, is_well_known, well_known_accepts

if TYPE_CHECKING:
    from google._upb._message import Descriptor as UpbDescriptor

MAX_DEPTH = 100  # messages nested in each other, ParseDict's default limit

_WRAPPERS = "google/protobuf/wrappers.proto"
_ATTRIBUTES = frozenset(dir(Empty))


def compile_accepts(descriptor: Descriptor | UpbDescriptor) -> Accepts:
    """Compile a predicate: True only where `json_format.ParseDict(value, Message())` is certain to succeed.

    Args:
        descriptor: the message type; it may be recursive, and of any descriptor pool.
    """
    return PredicateCompiler().message(cast("Descriptor", descriptor), MAX_DEPTH).one


class PredicateCompiler:
    """Builds each message type's check once per nesting depth, when a value first gets there.

    So the compilation of recursive types ends, and the limit of depth costs nothing per call. Two threads
    that build the same check do the same work twice, without further harm.
    """

    def __init__(self) -> None:
        self._with_arrays: dict[tuple[str, int], Check] = {}

    def message(self, descriptor: Descriptor, depth_left: int) -> Check:
        """Return a message type's check where `depth_left` messages may be nested, itself included."""
        key = (descriptor.full_name, depth_left)
        if key not in self._with_arrays:
            self._with_arrays[key] = one_by_one(
                self._build_custom_type(descriptor, depth_left) if depth_left > 0 else refuses
            )
        return self._with_arrays[key]

    def _build_custom_type(self, descriptor: Descriptor, depth_left: int) -> Accepts:
        if descriptor.file.name == _WRAPPERS:
            return _wrapper(descriptor)
        if is_well_known(descriptor):
            return well_known_accepts(descriptor, depth_left)
        if not _is_provable(descriptor):
            return refuses
        spellings = spellings_of(descriptor)
        table: dict[str, Accepts] = {}
        for name, field in spellings.items():
            if field.message_type is None:
                table[name] = self._field(field, depth_left)
            else:
                table[name] = self._on_first_use(table, name, field, depth_left)
        nullable = frozenset(name for name, field in spellings.items() if _is_nullable(field))
        choices = _oneof_bits(spellings)
        return _message_with_choices(table, nullable, choices) if choices else _message(table, nullable)

    def _on_first_use(
        self, table: dict[str, Accepts], name: str, field: FieldDescriptor, depth_left: int
    ) -> Accepts:
        def accepts(value: object) -> bool:
            table[name] = self._field(field, depth_left)
            return table[name](value)

        return accepts

    def _field(self, field: FieldDescriptor, depth_left: int) -> Accepts:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            entry = field.message_type.fields_by_name
            return _map(key_check(entry["key"]), self.element(entry["value"], depth_left))
        element = self.element(field, depth_left)
        return _list(element) if field.is_repeated else element.one

    def element(self, field: FieldDescriptor, depth_left: int) -> Check:
        """Return the check of one value of a field of a message where `depth_left` messages may be nested."""
        if field.message_type is None:
            return scalar_check(field)
        return self.message(field.message_type, depth_left - 1)


def _is_provable(descriptor: Descriptor) -> bool:
    """Return whether a message has neither required fields nor a field that hides a method of messages."""
    return not any(field.is_required or field.name in _ATTRIBUTES for field in descriptor.fields)


def spellings_of(descriptor: Descriptor) -> dict[str, FieldDescriptor]:
    """Return the fields by each of their names; as in ParseDict, a JSON name wins over another field's own.

    ParseDict counts a name of a field against a oneof of that name, so such a name is left out.
    """
    names = {field.name: field for field in descriptor.fields}
    names.update({field.json_name: field for field in descriptor.fields})
    oneofs = {oneof.name for oneof in descriptor.oneofs}
    return {name: field for name, field in names.items() if name not in oneofs}


def own_names(descriptor: Descriptor) -> dict[str, FieldDescriptor]:
    """Return the fields that ParseDict is certain to find under their own names."""
    if not _is_provable(descriptor):
        return {}
    return {name: field for name, field in spellings_of(descriptor).items() if field.name == name}


def _oneof_bits(spellings: Mapping[str, FieldDescriptor]) -> dict[str, int]:
    """Return a bit per oneof for the names that exclude each other: its fields, and both names of a field."""
    members: dict[str, list[str]] = {}
    for name, field in spellings.items():
        if field.containing_oneof is not None:
            members.setdefault(field.containing_oneof.name, []).append(name)
    exclusive = [names for names in members.values() if len(names) > 1]
    return {name: 1 << position for position, names in enumerate(exclusive) for name in names}


def _is_nullable(field: FieldDescriptor) -> bool:
    """Return whether None clears the field, or sets a Value or NullValue, which a list of these refuses."""
    if field.message_type is not None and field.message_type.full_name == "google.protobuf.Value":
        return not field.is_repeated and is_genuine(field.message_type)
    if field.enum_type is not None and field.enum_type.full_name == "google.protobuf.NullValue":
        return not field.is_repeated and 0 in field.enum_type.values_by_number
    return True


def _wrapper(descriptor: Descriptor) -> Accepts:
    field = descriptor.fields_by_name.get("value")
    if field is None or field.is_repeated or field.message_type is not None:
        return refuses
    return scalar_check(field).one


def _list(element: Check) -> Accepts:
    many = element.many

    def accepts(value: object) -> bool:
        if type(value) is not list:
            return False
        if len(value) <= _AT_ONCE:
            return many(value)
        return all(many(value[start : start + _AT_ONCE]) for start in range(0, len(value), _AT_ONCE))

    return accepts


#: Items of a list that are checked by one call of a built-in function, in which no other thread runs.
_AT_ONCE = 100_000


def _map(key: Check, element: Check) -> Accepts:
    keys, values = key.many, element.many

    def accepts(value: object) -> bool:
        return type(value) is dict and keys(value) and values(value.values())

    return accepts


def _message(table: Mapping[str, Accepts], nullable: Collection[str]) -> Accepts:
    def accepts(value: object) -> bool:
        if type(value) is not dict:
            return False
        try:
            for name, item in value.items():
                # Another type of key might equal a name here and not elsewhere.
                if type(name) is not str:
                    return False
                if not table[name](item) and (item is not None or name not in nullable):
                    return False
        except KeyError:
            return False
        return True

    return accepts


def _message_with_choices(
    table: Mapping[str, Accepts], nullable: Collection[str], choices: Mapping[str, int]
) -> Accepts:
    fields_fit = _message(table, nullable)

    def accepts(value: object) -> bool:
        if type(value) is not dict or not fields_fit(value):
            return False
        taken = 0
        for name, item in value.items():
            if name in choices and item is not None:
                if taken & choices[name]:
                    return False
                taken |= choices[name]
        return True

    return accepts
