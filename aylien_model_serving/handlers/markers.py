"""What `Annotated` can say of a parameter beside its type: what of a request becomes its value.

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

_Marker = TypeVar("_Marker")


@dataclass(frozen=True)
class Body:
    """Has the whole body be the value of a single parameter: a bare list, a bare number, or an object."""


@dataclass(frozen=True)
class Header:
    """Has a header be the value of a parameter.

    Args:
        name: of the header; the parameter's own with "-" for "_" when omitted.
    """

    name: str | None = None


@dataclass(frozen=True)
class Cookie:
    """Has a cookie be the value of a parameter.

    Args:
        name: of the cookie; the parameter's own when omitted.
    """

    name: str | None = None


@dataclass(frozen=True)
class Nested:
    """Has clients send a single structured parameter by its name, as they do several: {"features": {…}}."""


def marker_of(hint: Any, kind: type[_Marker]) -> _Marker | None:
    """Return the marker of a kind that a hint, or a member of a union, is annotated with, or None."""
    if get_origin(hint) in (Union, UnionType):
        found = (marker_of(member, kind) for member in get_args(hint))
        return next((marker for marker in found if marker is not None), None)
    extras = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return next((extra for extra in extras if isinstance(extra, kind)), None)
