"""The context: the object that the handlers of one service share within a process.

Whoever builds a handler, in whichever process, gets its binding: what the handler is called with in
addition to the fields of a call.
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from typing import Any, get_origin

from aylien_model_serving.errors import FieldMismatch
from aylien_model_serving.handlers.json_request import Request
from aylien_model_serving.handlers.signatures import Signature

#: Name of the parameter that receives the context.
PARAMETER = "context"

#: Name of the second parameter of a handler that gets the fields as `request.json`.
REQUEST = "request"

#: Name of the argument that passes the device of the model to an init or a class.
DEVICE = "device"


class Context:
    """One object for all handlers of a service in this process: what its init makes, or what is stored here.

    Args:
        owner: the service.
        attribute: name of the service's attribute that holds this context.
    """

    def __init__(self, owner: object, attribute: str) -> None:
        self.owner = owner
        self.attribute = attribute
        #: The service's init: returns the object, or stores it itself; None for a service without one.
        self.make: Callable[..., Any] | None = None
        self.value: Any = {}
        self._is_made = False
        self._lock = threading.RLock()

    def prepare(self, device: str) -> None:
        """Make the object, unless it was made before.

        Args:
            device: value of the init's argument `device`, if it has one.
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
    """Passes the context of a service to one of its handlers.

    Args:
        context: of the service; None for the handler of a plain route dict, which gets none.
        takes_body: whether it is called as `handler(context, fields)` or `handler(context, request)`, or with
            the body's value where the second parameter has a type.
    """

    context: Context | None = None
    takes_body: bool = False

    def prepare(self, device: str) -> None:
        """Make the context, unless it was made before; see `Context.prepare`."""
        if self.context is not None:
            self.context.prepare(device)

    def init(self, target: Any, given: Container[str]) -> dict[str, Any]:
        """Return the keyword arguments that the constructor of a class gets from here.

        Args:
            target: the class.
            given: names of arguments that it gets from elsewhere.
        """
        if self.context is None or PARAMETER in given or PARAMETER not in Signature.of(target).known:
            return {}
        return {PARAMETER: self.context.value}

    def bind(self, handler: Any) -> Callable[..., Any]:
        """Return a callable that takes the fields alone and calls the handler with its context, too."""
        if self.context is None:
            return handler  # type: ignore[no-any-return]  # callers check that it can be called
        if self.takes_body:
            return _with_body(handler, self.context)
        if PARAMETER in Signature.of(handler).known:
            return _with_context(handler, self.context)
        return handler  # type: ignore[no-any-return]  # likewise

    def is_needed(self, target: Any) -> bool:
        """Return whether a function or class can't be built in a replica without its service."""
        if self.context is None:
            return False
        called = target.__call__ if inspect.isclass(target) else target
        takes_context = PARAMETER in {*Signature.of(target).known, *Signature.of(called).known}
        return takes_context or self.takes_body or self.context.make is not None


UNBOUND = ContextBinding()


def _with_body(handler: Callable[..., Any], context: Context) -> Callable[..., Any]:
    taken = _second_parameter(handler)
    if taken.annotation not in _OF_ANY_FIELDS and get_origin(taken.annotation) not in _OF_ANY_FIELDS:
        return _with_value(handler, context, taken)
    if taken.name == REQUEST or taken.annotation is Request:

        def call(**json_in: Any) -> Any:
            return handler(context.value, Request(json_in))
    else:

        def call(**json_in: Any) -> Any:
            return handler(context.value, json_in)

    return wrapped_like(call, handler, inspect.signature(call))


#: Hints of a second parameter that gets the fields as they are; one of any other type gets the body's value.
_OF_ANY_FIELDS = (inspect.Parameter.empty, Any, object, dict, Mapping, Request)


def _second_parameter(handler: Callable[..., Any]) -> inspect.Parameter:
    """Return the second parameter of a handler; a hint that can't be resolved is text."""
    try:
        parameters = inspect.signature(handler, eval_str=True).parameters
    except (NameError, TypeError, AttributeError, SyntaxError):
        parameters = inspect.signature(handler).parameters
    several = inspect.Parameter("json_in", inspect.Parameter.VAR_POSITIONAL)
    return [*parameters.values(), several][1]


def _with_value(
    handler: Callable[..., Any], context: Context, parameter: inspect.Parameter
) -> Callable[..., Any]:
    def call(value: Any, /) -> Any:
        return handler(context.value, value)

    taken = parameter.replace(kind=inspect.Parameter.POSITIONAL_ONLY)
    return wrapped_like(call, handler, inspect.Signature([taken]))


def _with_context(handler: Callable[..., Any], context: Context) -> Callable[..., Any]:
    signature = inspect.signature(handler)
    index = list(signature.parameters).index(PARAMETER)
    is_positional_only = signature.parameters[PARAMETER].kind is inspect.Parameter.POSITIONAL_ONLY
    rest = [parameter for parameter in signature.parameters.values() if parameter.name != PARAMETER]

    def call(*positional: Any, **fields: Any) -> Any:
        if PARAMETER in fields:  # where the handler takes any further field
            raise FieldMismatch(f"Unexpected field {PARAMETER!r}")
        if is_positional_only:
            return handler(*positional[:index], context.value, *positional[index:], **fields)
        return handler(*positional, **fields, **{PARAMETER: context.value})

    return wrapped_like(call, handler, signature.replace(parameters=rest))


def wrapped_like(
    call: Callable[..., Any], handler: Callable[..., Any], signature: inspect.Signature | None = None
) -> Callable[..., Any]:
    """Return a function with the name, type hints, signature and `close` of the handler that it calls.

    Args:
        call: calls the handler.
        handler: the handler.
        signature: that of the function, where it is not the handler's.
    """
    called = _called(handler)
    wrapper = _as_coroutine_function(call) if inspect.iscoroutinefunction(called) else call
    functools.update_wrapper(wrapper, called, updated=())
    vars(wrapper)["__signature__"] = inspect.signature(handler) if signature is None else signature
    close = getattr(handler, "close", None)
    if close is not None:
        vars(wrapper)["close"] = close
    return wrapper


def _as_coroutine_function(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return the same as a coroutine function, which executors recognise and await."""

    async def coroutine_function(*positional: Any, **fields: Any) -> Any:
        return await call(*positional, **fields)

    return coroutine_function


def _called(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function whose type hints count."""
    if isinstance(handler, functools.partial):
        return _called(handler.func)
    called: Callable[..., Any] = (
        handler if inspect.isroutine(handler) else type(handler).__call__.__get__(handler)
    )
    return called
