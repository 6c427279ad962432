"""Which type hints name decimals, for whose numbers a body is read digit by digit.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from aylien_model_serving.schemas import hint_parts
from aylien_model_serving.schemas.models import is_model


def names_of(hints: Mapping[str, Any]) -> frozenset[str]:
    """Return the names whose hints name a decimal, in the fields of classes and models, too."""
    return frozenset(name for name, hint in hints.items() if any(_is_decimal(kind) for kind in _kinds(hint)))


def _kinds(hint: Any) -> Iterator[Any]:
    return (part.hint for part in hint_parts.parts_of(hint))


def _is_decimal(kind: Any) -> bool:
    if is_model(kind):
        return "'type': 'decimal'" in repr(kind.__pydantic_core_schema__)
    return isinstance(kind, type) and issubclass(kind, Decimal)
