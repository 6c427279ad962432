"""The media types of results and fields that are files, read from their hints.

Pure.
"""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from aylien_model_serving.schemas import uploads


def of_result(returns: Any) -> str | None:
    """Return the media types of a result that is a file of a kind that is sent as it is; else None."""
    has_list = any(get_origin(part) is list for part in _parts(returns))
    found = None if has_list else of_hint(returns)
    return None if found == _ANY_FILE else found


#: The media types of a file of no kind, or of several.
_ANY_FILE = "*/*"


def of_hint(hint: Any) -> str | None:
    """Return the media types of a field that is a file, several files, or perhaps none; else None."""
    parts = [part for part in _parts(hint) if part is not NoneType]
    items = [item for part in parts for item in (get_args(part) if get_origin(part) is list else (part,))]
    if not items or not all(map(uploads.is_file, items)):
        return None
    families = {item.family for item in items}
    return f"{families.pop() or '*'}/*" if len(families) == 1 else _ANY_FILE


def _parts(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
