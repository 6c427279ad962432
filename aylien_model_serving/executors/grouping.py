"""Which calls may share a batch, and how large each is: by functions of the user's, from a call's fields.

A function is asked once for each call, when it arrives; the queue knows what it said.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from numbers import Real
from typing import Any

from aylien_model_serving.errors import BadRequest, ConfigurationError, HandlerFailed
from aylien_model_serving.executors.batch_policy import BatchOptions
from aylien_model_serving.executors.queue import QueuedCall
from aylien_model_serving.handlers import callables
from aylien_model_serving.handlers.signatures import Signature


class Grouping:
    """Sets the group and the size of calls.

    Args:
        batching: has the functions, if any.
    """

    __slots__ = ("_group_by", "_size_of")

    def __init__(self, batching: BatchOptions) -> None:
        self._group_by = None if batching.group_by is None else _FieldFunction(batching.group_by)
        self._size_of = None if batching.size_of is None else _FieldFunction(batching.size_of)

    def apply(self, call: QueuedCall) -> None:
        """Set a call's group and size.

        Raises:
            BadRequest: a function refuses the call.
            HandlerFailed: a function has failed, or has returned what is no group or no size.
        """
        try:
            if self._group_by is not None:
                call.group = self._group_by(call.arguments)
                hash(call.group)
            if self._size_of is not None:
                call.size = _size(self._size_of(call.arguments))
        except BadRequest:
            raise
        except Exception as error:
            raise HandlerFailed from error


def _size(value: Any) -> float:
    size = float(value) if isinstance(value, Real) else math.nan
    if not 0 <= size < math.inf:
        raise ValueError(f"'size_of' has to return a number of 0 or more; it returned {value!r}"[:200])
    return size


class _FieldFunction:
    """A function that gets those fields of a call that its parameters name."""

    __slots__ = ("_function", "_signature")

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._signature = Signature.of(function)

    def __call__(self, arguments: dict[str, Any]) -> Any:
        known = self._signature.known
        given = (
            arguments
            if self._signature.open
            else {name: arguments[name] for name in known if name in arguments}
        )
        return self._signature.call(self._function, given)


def check(batching: BatchOptions, handler: Signature) -> None:
    """Check that a handler's calls have the fields that the functions take.

    Raises:
        ConfigurationError: a function is asynchronous, or takes what a call has not or may leave out.
    """
    for option, function in (("group_by", batching.group_by), ("size_of", batching.size_of)):
        if function is None:
            continue
        place = f"option {option!r}"
        if inspect.iscoroutinefunction(function) or callables.is_async(function):
            raise ConfigurationError(
                f"{place}: it is asked while a call arrives: write it with def, not async"
            )
        if not handler.open:
            _check_parameters(place, Signature.of(function), handler)


def _check_parameters(place: str, function: Signature, handler: Signature) -> None:
    fields = ", ".join(handler.known) or "none"
    unknown = [name for name in function.known if name not in handler.known and name in function.required]
    if unknown:
        raise ConfigurationError(
            f"{place}: it takes {unknown[0]!r}, which is no field of the callable; it gets fields by their "
            f"names: {fields}"
        )
    absent = [name for name in function.known if name in function.required - handler.required]
    if absent:
        raise ConfigurationError(f"{place}: a call may leave out {absent[0]!r}: give the parameter a default")
