"""Counts the messages, texts and bytes that a protobuf body holds before it is parsed.

Pure. An empty message of two bytes on the wire takes some hundred in memory. Numbers, packed or not, are not
counted.
"""

from __future__ import annotations

from google.protobuf.descriptor import Descriptor

from aylien_model_serving.codecs import protobuf_wire as wire
from aylien_model_serving.errors import TooManyItems

#: Messages within messages that protobuf parses.
_MAX_DEPTH = 100

#: The types of the messages that a message's fields hold, by number.
_Nested = dict[int, Descriptor]


class ItemLimit:
    """Refuses the bodies of one message type that hold too many items.

    Args:
        descriptor: the type.
    """

    def __init__(self, descriptor: Descriptor) -> None:
        self._descriptor = descriptor
        self._nested: dict[str, _Nested] = {}

    def check(self, body: bytes, most: int) -> None:
        """Refuse a body with more items than `most`.

        Raises:
            TooManyItems: it names the setting.
        """
        if len(body) > 2 * most and self._exceeds(body, most):
            raise TooManyItems(
                f"The body has more than {most:,} messages, texts and bytes: "
                "MODEL_SERVING_MAX_JSON_ITEMS says how many are accepted"
            )

    def _exceeds(self, body: bytes, most: int) -> bool:
        """Return whether there are more items; bytes that are no message end the count.

        Tags and sizes of one byte, which all are where there are many items, are read without a call.
        """
        position, end, nested = 0, len(body), self._nested_of(self._descriptor)
        outer: list[tuple[int, _Nested]] = []  # the ends and types of the messages around this one
        try:
            while most >= 0 and len(outer) <= _MAX_DEPTH:
                if position >= end:
                    if not outer:
                        return False
                    end, nested = outer.pop()
                    continue
                tag = body[position]
                position += 1
                if tag >= 0x80:
                    tag, position = wire.read_size(body, position - 1)
                if tag & 0b111 != wire.LEN:
                    position, end, nested, found = self._pass_other(body, position, end, nested, tag, outer)
                    most -= found
                    continue
                most -= 1
                size = body[position]
                position += 1
                if size >= 0x80:
                    size, position = wire.read_size(body, position - 1)
                if size and tag >> 3 in nested:
                    outer.append((end, nested))
                    end, nested = position + size, self._nested_of(nested[tag >> 3])
                else:
                    position += size
        except (IndexError, ValueError):
            return False  # the parser says what is wrong
        return most < 0

    def _pass_other(
        self,
        body: bytes,
        position: int,
        end: int,
        nested: _Nested,
        tag: int,
        outer: list[tuple[int, _Nested]],
    ) -> tuple[int, int, _Nested, int]:
        """Pass a number, or the start or end of a group; return what comes next, and the number of items."""
        kind = tag & 0b111
        if kind == wire.GROUP:
            outer.append((end, nested))
            inner = nested.get(tag >> 3)
            return position, end, {} if inner is None else self._nested_of(inner), 1
        if kind == wire.GROUP_END:
            return position, *outer.pop(), 0
        return wire.skip_number(body, position, kind), end, nested, 0

    def _nested_of(self, descriptor: Descriptor) -> _Nested:
        name = descriptor.full_name
        if name not in self._nested:
            self._nested[name] = {
                field.number: field.message_type
                for field in descriptor.fields
                if field.message_type is not None
            }
        return self._nested[name]
