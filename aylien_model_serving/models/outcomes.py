"""What a reply of a model's replica is to its caller: a value, the items of a stream, or an error."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec

from aylien_model_serving import errors
from aylien_model_serving.core.call_scope import CallScope
from aylien_model_serving.core.messages import Chunks, Reply
from aylien_model_serving.dispatch.values_answer import ERROR_MARK
from aylien_model_serving.errors import HandlerFailed, ServingError
from aylien_model_serving.rpc import values
from aylien_model_serving.rpc.in_flight import ReplicaLost

#: Errors that a caller may pass on to its own client; any other of a model's is a fault of the service.
_KEPT: dict[str, type[ServingError]] = {
    kind.code: kind
    for kind in (errors.InvalidRequest, errors.Unavailable, errors.DeadlineExceeded, errors.TooManyRequests)
}


class _Error(msgspec.Struct):
    """The body of an error reply."""

    error: str
    code: str


class ModelError(Exception):
    """What a model's replica says of its failure, for the log of who called it."""


_END = object()

_ERRORS = msgspec.json.Decoder(_Error)


def value_of(reply: Reply, model: str) -> Any:
    """Return the value of a reply.

    Args:
        reply: of a replica.
        model: the name of the model.

    Raises:
        ServingError: the model has raised it, or has failed.
    """
    if reply.status >= 400:
        raise _raised(reply.body, model, reply.headers)
    return values.decode(reply.body)


def outcome_of(call: Callable[[], Any]) -> Any:
    """Return a call's result, or what it raises."""
    try:
        return call()
    except Exception as error:
        return error


def _raised(body: bytes, model: str, headers: Sequence[tuple[str, str]] = ()) -> ServingError:
    found = _ERRORS.decode(body)
    kind = _KEPT.get(found.code)
    if kind is not None:
        error = kind(found.error)
        seconds = dict(headers).get("Retry-After", "")
        if isinstance(error, errors.Unavailable | errors.TooManyRequests) and seconds.isdecimal():
            error.retry_after = int(seconds)
        return error
    failed = HandlerFailed()
    failed.__cause__ = ModelError(f"The model {model} failed; its own log line says why: {found.error}")
    return failed


def _item_of(chunk: bytes, model: str, made: Callable[[Any], Any]) -> Any:
    if chunk.startswith(ERROR_MARK):
        raise _raised(chunk[len(ERROR_MARK) :], model)
    return made(values.decode(chunk))


def _call_on(loop: asyncio.AbstractEventLoop, function: Callable[[], object]) -> None:
    with suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(function)


class Items:
    """The items of a stream as a model makes them; who takes no more of them closes it.

    Args:
        chunks: each an item.
        model: the name of the model.
        made: makes of an item what the model's hint says.
        scope: of the call whose handler takes them; once that is abandoned, `Cancelled` is raised.
    """

    def __init__(self, chunks: Chunks, model: str, made: Callable[[Any], Any], scope: CallScope) -> None:
        self._chunks = chunks
        self._items = self._made(model, made, scope)

    def _made(self, model: str, made: Callable[[Any], Any], scope: CallScope) -> Iterator[Any]:
        with scope.listening(self._chunks.close):
            try:
                for chunk in self._chunks:
                    yield _item_of(chunk, model, made)
            except ReplicaLost as lost:
                raise HandlerFailed("The model's process ended before it had made all items") from lost
            scope.check()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return next(self._items)

    def close(self) -> None:
        """Stop the stream, if it has not ended; a second call does nothing."""
        self._chunks.close()


class ItemsOfThread:
    """The items of a stream, for an event loop that waits for each on a thread; see `Items`."""

    def __init__(self, items: Items | Iterator[Any]) -> None:
        self._items = items

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        item = await asyncio.to_thread(next, iter(self._items), _END)
        if item is _END:
            raise StopAsyncIteration
        return item

    async def aclose(self) -> None:
        """Stop the stream, if it has not ended; a second call does nothing."""
        close = getattr(self._items, "close", None)
        if close is not None:
            close()


class AsyncItems:
    """The items of a stream, for an event loop; see `Items`."""

    def __init__(self, chunks: Chunks, model: str, made: Callable[[Any], Any], scope: CallScope) -> None:
        self._chunks = chunks
        self._items = self._made(model, made, scope)

    async def _made(self, model: str, made: Callable[[Any], Any], scope: CallScope) -> AsyncIterator[Any]:
        with scope.listening(partial(_call_on, asyncio.get_running_loop(), self._chunks.close)):
            try:
                async for chunk in self._chunks:
                    yield _item_of(chunk, model, made)
            except ReplicaLost as lost:
                raise HandlerFailed("The model's process ended before it had made all items") from lost
            scope.check()

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        return await anext(self._items)

    async def aclose(self) -> None:
        """Stop the stream, if it has not ended; a second call does nothing."""
        self._chunks.close()
