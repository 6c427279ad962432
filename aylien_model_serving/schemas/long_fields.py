"""Checks the long lists and objects of a large body piece by piece.

Pure. msgspec checks a value in one call, in which no other thread runs: a tenth of a second for some 8 MB.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import islice
from typing import Any, get_args, get_origin

import msgspec

from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.errors import SchemaMismatch
from aylien_model_serving.process import native_threads
from aylien_model_serving.schemas.msgspec_types import fault_of

#: Items that are checked in one call.
AT_ONCE = 8192

_Check = Callable[[Fields, Mapping[str, Any]], dict[str, Any]]


class LongFields:
    """The fields of a handler that are plain lists and objects, which can be checked piece by piece.

    Args:
        hints: the hints of its fields, by name.
        others: names of fields that can't, whatever their hints are.
        build: makes the values that msgspec does not know.
    """

    def __init__(
        self, hints: Mapping[str, Any], others: Collection[str], build: Callable[[Any, Any], Any]
    ) -> None:
        self._hints = {
            name: hint for name, hint in hints.items() if name not in others and _is_divisible(hint)
        }
        self._build = build

    def arguments(self, check: _Check, fields: Fields, path_values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the handler's arguments.

        Args:
            check: makes them of fields that are not long.
            fields: those of the body.
            path_values: those of the path.

        Raises:
            SchemaMismatch: a value does not fit.
        """
        long = {name: value for name, value in fields.values.items() if self._is_long(name, value)}
        if not long or fields.textual:
            return check(fields, path_values)
        empty = {name: type(value)() for name, value in long.items()}
        found = check(fields._replace(values={**fields.values, **empty}), path_values)
        return found | {name: self._converted(name, value) for name, value in long.items()}

    def _is_long(self, name: str, value: object) -> bool:
        return (
            name in self._hints
            and isinstance(value, (list, dict))
            and type(value) is get_origin(self._hints[name])
            and len(value) > AT_ONCE
        )

    def _converted(self, name: str, value: Any) -> Any:
        converted = type(value)()
        for start, piece in _pieces(value):
            try:
                fitting = msgspec.convert(piece, self._hints[name], str_keys=True, dec_hook=self._build)
            except msgspec.ValidationError as error:
                raise SchemaMismatch(_client_message(name, start, str(error))) from None
            if type(value) is list:
                converted += fitting
            else:
                converted.update(fitting)
            native_threads.yield_to_others()
        return converted


def _is_divisible(hint: Any) -> bool:
    """Return whether a value fits where each of its items does."""
    return get_origin(hint) is list or (get_origin(hint) is dict and get_args(hint)[0] is str)


def _pieces(value: Any) -> Iterator[tuple[int, Any]]:
    """Yield the place of the first item of each piece, and the piece."""
    items = iter(value.items()) if type(value) is dict else None
    for start in range(0, len(value), AT_ONCE):
        yield start, value[start : start + AT_ONCE] if items is None else dict(islice(items, AT_ONCE))


def _client_message(name: str, start: int, message: str) -> str:
    """Return msgspec's message with the path as the client knows it; `start` is the place of item 0."""
    problem, path = fault_of(message)
    place = _FIRST_PLACE.sub(lambda found: f"[{int(found[1]) + start}]", path, count=1)
    return f"{name}{place}: {problem}"


_FIRST_PLACE = re.compile(r"^\[(\d+)\]")
