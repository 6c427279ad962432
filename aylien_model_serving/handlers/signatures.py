"""The fields that a handler takes, read once from its signature.

Pure. A missing or unexpected field is found before the handler runs, so that a TypeError from inside
the handler stays an error of the handler.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from aylien_model_serving.errors import FieldMismatch

_KEYWORD = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True)
class Signature:
    """The fields that a handler takes.

    Args:
        positional: names that can only be given by position, in order.
        known: every name, in the order of the definition.
        required: the names without a default.
        open: whether the handler takes any further name (`**kwargs`).
    """

    positional: tuple[str, ...]
    known: tuple[str, ...]
    required: frozenset[str]
    open: bool
    _names: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_names", frozenset(self.known))

    @classmethod
    def of(cls, handler: Callable[..., Any]) -> Signature:
        """Read the signature of a handler; one that can't be read takes everything."""
        try:
            parameters = inspect.signature(handler).parameters.values()
        except (TypeError, ValueError):
            return cls((), (), frozenset(), open=True)
        positional = [p for p in parameters if p.kind is inspect.Parameter.POSITIONAL_ONLY]
        fields = positional + [p for p in parameters if p.kind in _KEYWORD]
        return cls(
            positional=tuple(p.name for p in positional),
            known=tuple(p.name for p in fields),
            required=frozenset(p.name for p in fields if p.default is inspect.Parameter.empty),
            open=any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters),
        )

    def without(self, name: str | None) -> Signature:
        """Return the signature without one name, which somebody other than the caller passes."""
        return Signature(
            positional=tuple(known for known in self.positional if known != name),
            known=tuple(known for known in self.known if known != name),
            required=self.required - {name} if name is not None else self.required,
            open=self.open,
        )

    def with_optional(self, names: Collection[str]) -> Signature:
        """Return the signature in which these may be left out."""
        return Signature(self.positional, self.known, self.required - set(names), self.open)

    def check(self, values: Mapping[str, object]) -> None:
        """Raise an error for values that the handler can't be called with.

        Raises:
            FieldMismatch: names the missing or unexpected field.
        """
        names = values.keys()
        if not (self.open or names <= self._names):
            raise FieldMismatch(f"Unexpected field {min(names - self._names)[:80]!r}: {self._expected()}")
        if not self.required <= names:
            missing = min(self.required - names, key=self.known.index)
            raise FieldMismatch(f"Missing field {missing!r}: {self._expected()}")
        if self.positional:
            self._check_gap(values)

    def _expected(self) -> str:
        if not self.known:
            return "none is expected here"
        optional = {name: "" if name in self.required else " (optional)" for name in self.known}
        return "expected are " + ", ".join(name + note for name, note in optional.items())

    def _check_gap(self, values: Mapping[str, object]) -> None:
        """A positional-only field can't be given when one before it is left out."""
        absent = ""
        for name in self.positional:
            if name not in values:
                absent = absent or name
            elif absent:
                raise FieldMismatch(f"Missing field {absent!r}: it is needed where {name!r} is given")

    def call(self, handler: Callable[..., Any], values: dict[str, Any]) -> Any:
        """Call the handler with checked values."""
        if not self.positional:
            return handler(**values)
        rest = dict(values)
        return handler(*[rest.pop(name) for name in self.positional if name in rest], **rest)
