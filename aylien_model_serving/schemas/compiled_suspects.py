"""What of a refused value `ParseDict` has to look at: long lists without the items that are certain to fit.

`ParseDict` takes microseconds for an item of two or three bytes, and a body may hold a million of them before
the one that does not fit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from aylien_model_serving.schemas.compiled import MAX_DEPTH, PredicateCompiler, spellings_of

#: Items of a list that is left whole.
MAX_SHORT = 16

#: A part of a path in a message of `ParseDict`, as in `Request.items[3].text`.
_PART = re.compile(r"\.(\w+)(?:\[(\d+)\])?")


class _Kept:
    """The items of a message's lists that were kept.

    Args:
        indexes: of the items, by the name of the field.
        within: those of messages within it, by the field's name and the position in the shortened list.
    """

    __slots__ = ("indexes", "within")

    def __init__(self) -> None:
        self.indexes: dict[str, list[int]] = {}
        self.within: dict[tuple[str, int], _Kept] = {}


class Suspects:
    """The part of a message's fields that may be refused.

    Args:
        descriptor: the message type.
        values: the fields by name.
    """

    def __init__(self, descriptor: Descriptor, values: Mapping[str, Any]) -> None:
        self._compiler = PredicateCompiler()
        self._root = re.compile(rf"(?<![\w.]){re.escape(descriptor.name)}((?:\.\w+(?:\[\d+\])?)+)")
        self._kept = _Kept()
        self.values = self._of_message(values, descriptor, MAX_DEPTH, self._kept)

    def in_terms_of_all(self, message: str) -> str:
        """Return a message of `ParseDict` about these values with the positions that items had among all."""
        return self._root.sub(self._in_terms_of_all, message)

    def _in_terms_of_all(self, found: re.Match[str]) -> str:
        parts, kept = [found[0][: -len(found[1])]], self._kept
        for part in _PART.finditer(found[1]):
            name, position = part[1], int(part[2] or 0)
            index = kept.indexes[name][position] if name in kept.indexes else position
            parts.append(f".{name}" if part[2] is None else f".{name}[{index}]")
            kept = kept.within.get((name, position)) or _Kept()
        return "".join(parts)

    def _of_message(
        self, values: Mapping[str, Any], descriptor: Descriptor, depth: int, kept: _Kept
    ) -> dict[str, Any]:
        fields = spellings_of(descriptor)
        return {
            name: self._of_field(name, value, fields[name], depth, kept) if name in fields else value
            for name, value in values.items()
        }

    def _of_field(self, name: str, value: Any, field: FieldDescriptor, depth: int, kept: _Kept) -> Any:
        if not field.is_repeated:
            return self._within(name, 0, value, field, depth, kept)
        is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
        if is_map or type(value) is not list:
            return value
        if len(value) > MAX_SHORT:
            accepts = self._compiler.element(field, depth).one
            kept.indexes[name] = [index for index, item in enumerate(value) if not accepts(item)]
            value = [value[index] for index in kept.indexes[name]]
        return [self._within(name, position, item, field, depth, kept) for position, item in enumerate(value)]

    def _within(
        self, name: str, position: int, value: Any, field: FieldDescriptor, depth: int, kept: _Kept
    ) -> Any:
        """Return a value, without what is certain to fit where it is a message."""
        inner = field.message_type
        if type(value) is not dict or inner is None or depth < 1:
            return value
        if inner.full_name.startswith("google.protobuf."):  # which have a JSON form of their own
            return value
        kept.within[name, position] = within = _Kept()
        return self._of_message(value, inner, depth - 1, within)
