"""A call of a model, made of what its caller gave, and of what the caller's own call hands on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from aylien_model_serving.core import call_scope, callers
from aylien_model_serving.core.messages import (
    Call,
    InnerCall,
    InputStream,
    choose_request_id,
    current_request_id,
)
from aylien_model_serving.errors import HandlerFailed
from aylien_model_serving.models.hosting import Signatures
from aylien_model_serving.models.inputs import take_from
from aylien_model_serving.routing.routes import Route
from aylien_model_serving.rpc import values
from aylien_model_serving.rpc.headers import VALUES

_NO_REQUEST = "-"


def prepare(
    route: Route,
    signatures: Signatures,
    method: str,
    args: tuple[Any, ...],
    fields: dict[str, Any],
    loop: asyncio.AbstractEventLoop | None = None,
) -> Call:
    """Return the call of a model's method with its arguments by name.

    Args:
        route: the model.
        signatures: those of its methods.
        method: its name; "" for the model itself.
        args: arguments by position.
        fields: arguments by name.
        loop: that of the caller, on which async iterators among the arguments make their items.

    Raises:
        TypeError: the method does not take them, or they can't be sent.
        HandlerFailed: the model waits for this call itself.
    """
    scope = call_scope.current.get()
    if route.name in scope.models:
        circle = " → ".join([*scope.models[scope.models.index(route.name) :], route.name])
        raise HandlerFailed(f"The models call each other in a circle: {circle}")
    named = signatures.named(method, args, fields)
    streams = _streams_of(route, named, loop)
    body, *parts = values.encode(named)
    request_id = current_request_id.get()
    return Call(
        VALUES,
        method,
        "",
        {},
        bytes(body),
        {},
        choose_request_id(None) if request_id == _NO_REQUEST else request_id,
        _earliest(scope.deadline, route.timeout),
        callers.current.get().name,
        inner=InnerCall(scope.models, parts, scope, streams),
    )


def _streams_of(
    route: Route, named: dict[str, Any], loop: asyncio.AbstractEventLoop | None
) -> Sequence[InputStream]:
    """Return the arguments that are streams, whose places are taken by their numbers.

    Raises:
        TypeError: the model takes batches, which have an item of each call.
    """
    streams = take_from(named, loop)
    if streams and route.batch is not None:
        raise TypeError(f"{route.name} takes batches, and no streams: send a list")
    return streams


def _earliest(deadline: float | None, timeout: float | None) -> float | None:
    if timeout is None:
        return deadline
    own = time.monotonic() + timeout
    return own if deadline is None else min(own, deadline)
