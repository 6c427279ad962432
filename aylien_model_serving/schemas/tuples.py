"""What a tuple means that a handler returns: data, or a body with its status and headers, as in Flask.

Pure. The hint of the result decides, where there is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from http import HTTPStatus
from typing import Any, NamedTuple, get_origin

from aylien_model_serving.schemas.batch_hints import members_of


class TupleMeaning(Enum):
    """What the tuples of one handler mean."""

    #: The hint names a tuple: whatever it holds is the result.
    DATA = "data"
    #: The result is hinted as something else.
    RESPONSE = "response"
    #: There is no hint: it is a response where nothing else is likely.
    UNKNOWN = "unknown"


class StatusTuple(NamedTuple):
    """A body with a status and headers."""

    body: Any
    status: int | None
    headers: Any


def meaning_of(hint: Any) -> TupleMeaning:
    """Return what a tuple means for a handler with this hint of its result; None for none."""
    members = members_of(hint)
    if any(member in (None, Any, object) for member in members):
        return TupleMeaning.UNKNOWN
    kinds = (get_origin(member) or member for member in members)
    is_tuple = any(isinstance(kind, type) and issubclass(kind, tuple) for kind in kinds)
    return TupleMeaning.DATA if is_tuple else TupleMeaning.RESPONSE


def read(result: tuple[Any, ...], meaning: TupleMeaning) -> StatusTuple | None:
    """Return body, status and headers of a tuple, or None where it is data."""
    if meaning is TupleMeaning.DATA or not 2 <= len(result) <= 3:
        return None
    body, second, *rest = result
    if meaning is TupleMeaning.UNKNOWN:
        return (
            StatusTuple(body, second, rest[0] if rest else ())
            if _must_be_response(body, second, rest)
            else None
        )
    if rest and not _are_headers(rest[0]):
        return None
    if _is_status(second):
        return StatusTuple(body, int(second), rest[0] if rest else ())
    return StatusTuple(body, None, second) if not rest and _are_headers(second) else None


def _must_be_response(body: Any, status: Any, rest: list[Any]) -> bool:
    """Return whether these are hardly a result: a dict, and a number that is a status."""
    has_status = isinstance(body, dict) and _is_status(status) and int(status) in _STATUSES
    return has_status and (not rest or _are_headers(rest[0]))


_STATUSES = frozenset(map(int, HTTPStatus))


def _is_status(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 200 <= value <= 599


def _are_headers(value: Any) -> bool:
    pairs = value.items() if isinstance(value, Mapping) else value if isinstance(value, list) else [None]
    return all(
        isinstance(pair, tuple) and len(pair) == 2 and all(isinstance(part, str) for part in pair)
        for pair in pairs
    )
