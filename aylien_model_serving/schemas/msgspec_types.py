"""Types as msgspec sees them: whether it can check values of them, and the classes within that others build.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from aylien_model_serving.codecs.forms import MAX_PARTS
from aylien_model_serving.errors import TooManyItems
from aylien_model_serving.schemas import library_types, uploads
from aylien_model_serving.schemas.models import is_model, sent


def is_checkable(hint: Any) -> bool:
    """Return whether msgspec can check values of a type, with the help of `build`."""
    try:
        msgspec.json.Decoder(hint)
        return all(map(_is_buildable, custom_types(hint)))
    except (TypeError, ValueError):
        return False


def custom_types(hint: Any) -> list[Any]:
    """Return the classes within a type that msgspec does not support itself."""
    return list(_custom_types(msgspec.inspect.type_info(hint), set()))


def _custom_types(node: Any, seen: set[int]) -> Iterator[Any]:
    if isinstance(node, msgspec.inspect.CustomType):
        yield node.cls
    elif isinstance(node, (tuple, msgspec.inspect.Type, msgspec.inspect.Field)) and id(node) not in seen:
        seen.add(id(node))
        inner = node if isinstance(node, tuple) else (getattr(node, name) for name in node.__struct_fields__)
        for part in inner:
            yield from _custom_types(part, seen)


def _is_buildable(wanted: Any) -> bool:
    return library_types.is_known(wanted) or uploads.is_file(wanted) or is_model(wanted)


def build(wanted: Any, value: Any) -> Any:
    """Return a value of a type that msgspec does not support."""
    if library_types.is_known(wanted):
        return library_types.from_json(wanted, value)
    if uploads.is_file(wanted):
        return wanted.from_any(value)
    return sent(wanted, value)


def build_from_text(wanted: Any, value: Any) -> Any:
    """Return the same of what a query or a form has sent, whose numbers are texts."""
    return library_types.from_text(wanted, value) if library_types.is_known(wanted) else build(wanted, value)


class Builder:
    """Builds the values of one call that msgspec does not support, of which so many may be files.

    Each file is an object with a media type and a name; a body may list one for each seven bytes.

    Args:
        textual: whether numbers are texts, as in a query or a form.
    """

    __slots__ = ("_build", "_left")

    def __init__(self, textual: bool) -> None:
        self._build = build_from_text if textual else build
        self._left = MAX_PARTS

    def build(self, wanted: Any, value: Any) -> Any:
        if uploads.is_file(wanted):
            self._left -= 1
            if self._left < 0:
                raise TooManyItems(f"There are more than {MAX_PARTS:,} files, as many as are accepted here")
        return self._build(wanted, value)


def fault_of(message: str) -> tuple[str, str]:
    """Return what msgspec's message says is wrong, and where: the path behind its `$`."""
    problem, _, place = message.rpartition(" - at `")
    what, at, path = place.partition("$")
    if not at:
        return message, ""
    return f"{problem}{' as a key' if what else ''}", path.rstrip("`")
