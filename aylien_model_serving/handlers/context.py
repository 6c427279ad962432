"""What the handlers of one service share within a process, and how it reaches those that want it.

Whoever builds a handler, in whichever process, is told its binding: what it gets beside the fields
of a call.
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Any

from aylien_model_serving.errors import FieldMismatch
from aylien_model_serving.handlers.signatures import Signature

#: Name of the parameter that receives the context.
PARAMETER = "context"

#: Name of the argument by which an init, like a class, learns where its model belongs.
DEVICE = "device"


class Context:
    """One object for all handlers of a service in this process: what its init makes, or what is put there.

    Args:
        owner: the service.
        place: name of the service's attribute that is this.
    """

    def __init__(self, owner: object, place: str) -> None:
        self.owner = owner
        self.place = place
        #: Returns the object, or puts it there itself; None for a service without an init.
        self.make: Callable[..., Any] | None = None
        self.value: Any = {}
        self._is_made = False
        self._lock = threading.RLock()

    def prepare(self, device: str) -> None:
        """Have the object made, unless it was.

        Args:
            device: what an argument `device` of the init gets.
        """
        with self._lock:
            if self.make is None or self._is_made:
                return
            made = self.make(**{DEVICE: device} if DEVICE in Signature.of(self.make).known else {})
            if made is not None:
                self.value = made
            self._is_made = True


@dataclass(frozen=True)
class ContextBinding:
    """How one handler gets what its service has for it.

    Args:
        context: of the service; None for a handler of a bare route dict, which gets none.
        takes_body: whether it is called as `handler(context, fields)`.
    """

    context: Context | None = None
    takes_body: bool = False

    def prepare(self, device: str) -> None:
        """Have the context made, unless it was; see `Context.prepare`."""
        if self.context is not None:
            self.context.prepare(device)

    def init(self, target: Any, given: Container[str]) -> dict[str, Any]:
        """Return what the constructor of a class gets.

        Args:
            target: the class.
            given: names of arguments that it gets from elsewhere.
        """
        if self.context is None or PARAMETER in given or PARAMETER not in Signature.of(target).known:
            return {}
        return {PARAMETER: self.context.value}

    def bind(self, handler: Any) -> Callable[..., Any]:
        """Return what is called with the fields alone, in place of a handler."""
        if self.context is None:
            return handler  # type: ignore[no-any-return]  # what can be called is looked up elsewhere
        if self.takes_body:
            return _with_body(handler, self.context)
        if PARAMETER in Signature.of(handler).known:
            return _with_context(handler, self.context)
        return handler  # type: ignore[no-any-return]  # likewise

    def is_needed(self, target: Any) -> bool:
        """Tell whether a function or class could not be hosted without its service."""
        if self.context is None:
            return False
        called = target.__call__ if inspect.isclass(target) else target
        asks = PARAMETER in {*Signature.of(target).known, *Signature.of(called).known}
        return asks or self.takes_body or self.context.make is not None


UNBOUND = ContextBinding()


def _with_body(handler: Callable[..., Any], context: Context) -> Callable[..., Any]:
    def call(**json_in: Any) -> Any:
        return handler(context.value, json_in)

    return _dressed(call, handler, inspect.signature(call))


def _with_context(handler: Callable[..., Any], context: Context) -> Callable[..., Any]:
    signature = inspect.signature(handler)
    place = list(signature.parameters).index(PARAMETER)
    by_place = signature.parameters[PARAMETER].kind is inspect.Parameter.POSITIONAL_ONLY
    rest = [parameter for parameter in signature.parameters.values() if parameter.name != PARAMETER]

    def call(*positional: Any, **fields: Any) -> Any:
        if PARAMETER in fields:  # where the handler takes any further field
            raise FieldMismatch(f"Unexpected field {PARAMETER!r}")
        if by_place:
            return handler(*positional[:place], context.value, *positional[place:], **fields)
        return handler(*positional, **fields, **{PARAMETER: context.value})

    return _dressed(call, handler, signature.replace(parameters=rest))


def _dressed(
    call: Callable[..., Any], handler: Callable[..., Any], signature: inspect.Signature
) -> Callable[..., Any]:
    """Make a function look like the handler that it calls to whoever asks for its name, hints or `close`."""
    called = _called(handler)
    dressed = _awaiting(call) if inspect.iscoroutinefunction(called) else call
    functools.update_wrapper(dressed, called, updated=())
    vars(dressed)["__signature__"] = signature
    close = getattr(handler, "close", None)
    if close is not None:
        vars(dressed)["close"] = close
    return dressed


def _awaiting(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return the same as a coroutine function, which runners tell from others by looking at it."""

    async def awaiting(*positional: Any, **fields: Any) -> Any:
        return await call(*positional, **fields)

    return awaiting


def _called(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function whose hints count."""
    if isinstance(handler, functools.partial):
        return _called(handler.func)
    called: Callable[..., Any] = (
        handler if inspect.isroutine(handler) else type(handler).__call__.__get__(handler)
    )
    return called
