"""Types as msgspec sees them: whether it can check values of them, and the classes within that others build.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from aylien_model_serving.schemas import arrays, uploads
from aylien_model_serving.schemas.models import is_model, validated


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
    return arrays.is_array(wanted) or uploads.is_file(wanted) or is_model(wanted)


def build(wanted: Any, value: Any) -> Any:
    """Return a value of a type that msgspec does not support."""
    if arrays.is_array(wanted):
        return arrays.from_json(wanted, value)
    if uploads.is_file(wanted):
        return wanted.from_any(value)
    return validated(wanted, value)


def build_from_text(wanted: Any, value: Any) -> Any:
    """Return the same of what a query or a form has sent, whose numbers are texts."""
    return arrays.from_text(wanted, value) if arrays.is_array(wanted) else build(wanted, value)


def fault_of(message: str) -> tuple[str, str]:
    """Return what msgspec's message says is wrong, and where: the path behind its `$`."""
    problem, _, place = message.rpartition(" - at `")
    what, at, path = place.partition("$")
    if not at:
        return message, ""
    return f"{problem}{' as a key' if what else ''}", path.rstrip("`")
