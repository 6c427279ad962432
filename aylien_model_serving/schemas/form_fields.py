"""Fields of forms and query strings as they are sent: a list of one item, an empty field, a checkbox.

Pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, MutableSequence, MutableSet, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, get_origin

from aylien_model_serving.media.incoming import IncomingFile
from aylien_model_serving.schemas import batch_hints

_LISTS = (list, tuple, set, frozenset, deque, Collection, Sequence, MutableSequence, AbstractSet, MutableSet)

_TEXTS = (str, bytes, bytearray, memoryview)

#: What a browser sends for a checkbox without a value of its own (HTML, "The input element", value mode).
_CHECKED = "on"


def read_as_sent(values: dict[str, Any], hints: Mapping[str, Any]) -> bool:
    """Replace what stands for another value in a form, and return whether there was any.

    A list may be given once; a field that was left empty is absent, unless it is a text; a checkbox is true.

    Args:
        values: by the name of the field; are changed.
        hints: of the fields that have one.
    """
    replaced = False
    for name in values.keys() & hints.keys():
        kinds = [get_origin(kind) or kind for kind in batch_hints.members_of(hints[name])]
        value = values[name]
        if value == "" and not any(kind in _TEXTS or kind in _LISTS for kind in kinds):
            del values[name]
        elif value == _CHECKED and bool in kinds:
            values[name] = True
        elif isinstance(value, (str, bytes, IncomingFile)) and any(kind in _LISTS for kind in kinds):
            values[name] = [value]
        else:
            continue
        replaced = True
    return replaced
