"""Fields that may be left out since their type hints take null: the handler gets None for them.

Pure. The hint `str | None` alone says so, with or without a default.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from types import NoneType
from typing import Any

from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.schemas import batch_hints
from aylien_model_serving.schemas.handler_hints import hints_of
from aylien_model_serving.schemas.hints import TypeHintsSchema


def names(handler: Callable[..., Any], signature: Signature, *, batched: bool) -> list[str]:
    """Return the parameters without a default whose hints take null.

    Args:
        handler: the callable.
        signature: its parameters.
        batched: whether a hint is one of a list of the field.
    """
    hints = hints_of(handler).found
    return [
        name
        for name in signature.known
        if name in signature.required and name in hints and _takes_none(hints[name], batched)
    ]


def _takes_none(hint: Any, batched: bool) -> bool:
    return NoneType in batch_hints.members_of(batch_hints.item_of(hint) if batched else hint)


class OptionalFieldsSchema(TypeHintsSchema):
    """Validates as its base does, and gives the handler None for certain fields that are left out.

    Args:
        handler: the callable whose hints are used.
        signature: the parameters of the handler.
        optional: the names of those that may be left out though they have no default.
        batched: whether the handler takes a list of each field.
    """

    def __init__(
        self,
        handler: Callable[..., Any],
        signature: Signature,
        optional: Collection[str],
        *,
        batched: bool = False,
    ) -> None:
        super().__init__(handler, signature.with_optional(optional), batched=batched)
        self._absent = dict.fromkeys(optional)

    def arguments(self, fields: Fields, path_values: Mapping[str, Any]) -> dict[str, Any]:
        return self._absent | super().arguments(fields, path_values)
