"""Fields of forms and query strings as they are sent: a list of one item, an empty field, a checkbox, JSON.

Pure.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import (
    Callable,
    Collection,
    Mapping,
    MutableMapping,
    MutableSequence,
    MutableSet,
    Sequence,
)
from collections.abc import Set as AbstractSet
from types import NoneType
from typing import Any, TypeVar, get_args, get_origin

from aylien_model_serving.codecs import json, json_items
from aylien_model_serving.errors import MalformedBody, SchemaMismatch, ServingError, TooManyItems
from aylien_model_serving.media.incoming import IncomingFile
from aylien_model_serving.schemas import batch_hints, library_types, structured_hints

_Found = TypeVar("_Found")

_LISTS = (list, tuple, set, frozenset, deque, Collection, Sequence, MutableSequence, AbstractSet, MutableSet)

_TEXTS = (str, bytes, bytearray, memoryview)

_NUMBERS = (int, float, bool)

_OBJECTS = (dict, Mapping, MutableMapping)

#: What a browser sends for a checkbox without a value of its own (HTML, "The input element", value mode).
_CHECKED = "on"


def read_as_sent(
    values: dict[str, Any],
    hints: Mapping[str, Any],
    check: Callable[[dict[str, Any]], _Found],
    fault: Exception,
) -> _Found:
    """Return what a check makes of values that it has refused, once they are read as forms have them.

    A list may be given once; a field that was left empty is absent, unless it is a text; a checkbox is true;
    where that is not enough, an object or a list that no text fits may be JSON, as OpenAPI has it by default.

    Args:
        values: by the name of the field; are changed.
        hints: of the fields that have one.
        check: returns what the values are, or refuses them.
        fault: what the check raised.

    Raises:
        SchemaMismatch: the check refuses them all the same.
        MalformedBody: a field of such a hint begins as JSON does, and is none.
        TooManyItems: it has more values than a form may have.
    """
    if _replace(values, hints, _as_control):
        try:
            return check(values)
        except SchemaMismatch as error:
            fault = error
    if not _replace(values, hints, _as_json):
        raise fault
    try:
        return check(values)
    except ServingError:
        raise
    except Exception:  # of a validator that reads the text itself, as json.loads does
        raise fault from None


def _replace(values: dict[str, Any], hints: Mapping[str, Any], read: Callable[[str, Any, Any], Any]) -> bool:
    """Replace values by what they are read as, and return whether there was any that is read otherwise."""
    replaced = False
    for name in values.keys() & hints.keys():
        found = read(name, values[name], hints[name])
        if found is values[name]:
            continue
        replaced = True
        if found is _ABSENT:
            del values[name]
        else:
            values[name] = found
    return replaced


#: Stands for a field that was left empty.
_ABSENT = object()


def _as_control(name: str, value: Any, hint: Any) -> Any:
    """Return what a control of a browser's form has sent."""
    kinds = [get_origin(kind) or kind for kind in batch_hints.members_of(hint)]
    if value == "" and not any(kind in _TEXTS or kind in _LISTS for kind in kinds):
        return _ABSENT
    if value == _CHECKED and bool in kinds:
        return True
    if isinstance(value, (str, bytes, IncomingFile)) and any(kind in _LISTS for kind in kinds):
        return value if _is_json(value, hint) else [value]
    return value


def _as_json(name: str, value: Any, hint: Any) -> Any:
    return _read_json(name, value) if _is_json(value, hint) else value


def _is_json(value: Any, hint: Any) -> bool:
    return _may_be_json(value) and _takes_json(hint)


def _may_be_json(value: Any) -> bool:
    """Return whether a text, or the content of a file, begins as an object or an array of JSON does."""
    if not isinstance(value, (str, bytes)):
        return False
    start = value[:_MAX_BLANKS].lstrip()[:1]
    return start in (("{", "[") if isinstance(value, str) else (b"{", b"["))


#: Blanks before the JSON of a field, of which a file of text may have lines.
_MAX_BLANKS = 1024


def _takes_json(hint: Any) -> bool:
    """Return whether objects or arrays of JSON fit a hint, and no text does."""
    kinds = [kind for kind in batch_hints.members_of(hint) if kind is not NoneType]
    return any(map(_is_container, kinds)) and all(kind in _NUMBERS or _is_container(kind) for kind in kinds)


def _is_container(kind: Any) -> bool:
    plain = get_origin(kind) or kind
    if plain in _LISTS:
        items = [item for item in get_args(kind) if item is not ...]
        return bool(items) and all(item in _NUMBERS or _takes_json(item) for item in items)
    return plain in _OBJECTS or library_types.is_known(kind) or bool(structured_hints.structured_types(kind))


def _read_json(name: str, value: str | bytes) -> Any:
    text = value.encode() if isinstance(value, str) else value
    try:
        json_items.check(text, json.MAX_ITEMS, numbers=True)
        return json.loads(text)
    except TooManyItems:
        raise TooManyItems(f"The field {name[:80]!r} has more than {json.MAX_ITEMS:,} values") from None
    except MalformedBody as error:
        raise MalformedBody(f"The field {name[:80]!r} can't be read as JSON: {error}") from None


def refuse_infinite(values: dict[str, Any], hints: dict[str, Any]) -> None:
    """Refuse the words nan and inf, which msgspec takes for numbers in text; JSON has none of them.

    Raises:
        SchemaMismatch: a number of the query or the form is not finite.
    """
    for name in values.keys() & hints.keys():
        given = values[name]
        for number in given if type(given) in (list, tuple, set, frozenset) else (given,):
            if type(number) is float and not math.isfinite(number):
                raise SchemaMismatch(f"{name}: a finite number is expected")
