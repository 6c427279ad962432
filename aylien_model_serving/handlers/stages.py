"""Classes that answer in stages, as those of LitServe: `decode_request`, `predict`, `encode_response`.

Pure. They are recognised by their methods; what a class only inherits from LitServe counts as missing.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, ClassVar, get_type_hints

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.handlers.markers import Body

#: Packages whose own methods are defaults, and whose request is the body.
_LITSERVE = "litserve"
_REQUESTS = ("fastapi", "starlette")

_STAGES = ("decode_request", "batch", "predict", "unbatch", "encode_response")


def is_staged(target: Any) -> bool:
    """Return whether something is a class with `setup(device)` and `predict`, and without `__call__`."""
    if not inspect.isclass(target) or _own(target, "__call__") is not None:
        return False
    setup = _own(target, "setup")
    return setup is not None and _own(target, "predict") is not None and _takes(setup, 2)


def adapted(target: Any, *, batched: bool) -> Any:
    """Return a class of handlers in place of one that answers in stages; anything else as it is.

    Args:
        target: what a route names.
        batched: whether a handler gets the bodies of several calls in a list.

    Raises:
        ConfigurationError: a stage can't be called with one argument, or is asynchronous.
    """
    return _adapted(target, batched) if is_staged(target) else target


@functools.cache
def _adapted(target: type, batched: bool) -> type:
    for name in _STAGES:
        _check(target, name)
    is_stream = _is_stream(target)
    answer = _ANSWERS[is_stream, batched]

    def call(self: StagedHandler, request: Any) -> Any:
        return answer(self, request)

    def call_stream(self: StagedHandler, request: Any) -> Iterator[Any]:
        yield from answer(self, request)

    called = call_stream if is_stream else call
    hint = _hint_of_request(target)
    hint = list[hint] if batched else hint  # type: ignore[valid-type]  # known at runtime alone
    called.__annotations__ = {"request": Annotated[hint, Body()]}
    return type(
        target.__name__,
        (StagedHandler,),
        {
            "kind": target,
            "__call__": called,
            "__doc__": target.__doc__,
            "__module__": target.__module__,
            "__qualname__": target.__qualname__,
        },
    )


class StagedHandler:
    """The handler that an instance of such a class answers by.

    Args:
        device: what its `setup` gets.
        init: keyword arguments of the class.
    """

    kind: ClassVar[type]

    def __init__(self, device: str = "cpu", **init: Any) -> None:
        api = self.kind(**init)
        api.device = device
        api.setup(device)
        self.decode = _stage(api, "decode_request", _unchanged)
        self.batch = _stage(api, "batch", _stacked)
        self.predict: Callable[[Any], Any] = api.predict
        self.unbatch = _stage(api, "unbatch", list)
        self.encode = _stage(api, "encode_response", _unchanged)


def _answers(handler: StagedHandler, request: Any) -> Any:
    return handler.encode(handler.predict(handler.decode(request)))


def _batches(handler: StagedHandler, requests: Sequence[Any]) -> list[Any]:
    results = handler.predict(handler.batch([handler.decode(request) for request in requests]))
    return [handler.encode(result) for result in handler.unbatch(results)]


def _streams(handler: StagedHandler, request: Any) -> Iterator[Any]:
    results = handler.predict(handler.decode(request))
    if inspect.isgeneratorfunction(handler.encode):
        return handler.encode(results)  # type: ignore[no-any-return]  # a generator
    return map(handler.encode, results)


def _batch_streams(handler: StagedHandler, requests: Sequence[Any]) -> Iterator[list[Any]]:
    """Yield the responses of each step, for which `predict` yields one output."""
    outputs = handler.predict(handler.batch([handler.decode(request) for request in requests]))
    unbatch = handler.unbatch
    steps = unbatch(outputs) if inspect.isgeneratorfunction(unbatch) else map(unbatch, outputs)
    if inspect.isgeneratorfunction(handler.encode):
        return handler.encode(steps)  # type: ignore[no-any-return]  # a generator
    return ([handler.encode(result) for result in results] for results in steps)


#: How a handler answers, by whether it streams and whether it is batched.
_ANSWERS: dict[tuple[bool, bool], Callable[[StagedHandler, Any], Any]] = {
    (False, False): _answers,
    (False, True): _batches,
    (True, False): _streams,
    (True, True): _batch_streams,
}


def _stage(api: Any, name: str, default: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return default if _own(type(api), name) is None else getattr(api, name)


def _unchanged(value: Any) -> Any:
    return value


def _stacked(inputs: list[Any]) -> Any:
    """Return a batch of inputs: arrays and tensors are stacked, anything else stays a list."""
    kind = type(inputs[0])
    module = kind.__module__.partition(".")[0]
    if (module, kind.__name__) == ("numpy", "ndarray"):
        import numpy

        return numpy.stack(inputs)
    if module == "torch":
        import torch

        return torch.stack(inputs)
    return inputs


def _own(target: type, name: str) -> Any:
    """Return a method that a class has and that is not a default of LitServe's; None without one."""
    for kind in target.__mro__:
        if name in kind.__dict__:
            return None if kind.__module__.partition(".")[0] == _LITSERVE else kind.__dict__[name]
    return None


def _check(target: type, name: str) -> None:
    stage = _own(target, name)
    if stage is None:
        return
    if inspect.iscoroutinefunction(stage) or inspect.isasyncgenfunction(stage):
        raise ConfigurationError(f"{target.__name__}.{name}: write a plain function, as def without async")
    if not isinstance(stage, staticmethod) and not _takes(stage, 2):
        raise ConfigurationError(
            f"{target.__name__}.{name} is called with one argument, what the stage before it returns"
        )


def _takes(function: Any, count: int) -> bool:
    try:
        inspect.signature(function).bind(*range(count))
    except (TypeError, ValueError):
        return False
    return True


def _is_stream(target: type) -> bool:
    stages = (_own(target, name) for name in ("predict", "encode_response"))
    return any(inspect.isgeneratorfunction(stage) for stage in stages)


def _hint_of_request(target: type) -> Any:
    """Return the type that `decode_request` says its request has; Any for a web framework's own or none."""
    decode = _own(target, "decode_request")
    try:
        hints = get_type_hints(decode, include_extras=True)
        hint = hints[list(inspect.signature(decode).parameters)[1]]
    except (TypeError, ValueError, NameError, AttributeError, LookupError):
        return Any
    return Any if getattr(hint, "__module__", "").partition(".")[0] in _REQUESTS else hint
