"""Streams of protobuf messages that a request consists of: as frames in its body, or as they come."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from typing import Any, Protocol

from aylien_model_serving.codecs.streaming import PREFIX
from aylien_model_serving.errors import MalformedBody, TooManyItems

Decode = Callable[[bytes], Any]


class MessageItems(Protocol):
    """Messages that a client sends while their call runs."""

    def for_thread(self, decode: Decode) -> Iterator[Any]:
        """Return what is decoded of each, for a handler on a thread."""

    def for_loop(self, decode: Decode) -> AsyncIterator[Any]:
        """Return the same for a handler on the event loop."""


#: Those of the request that is being answered; None where its body has all of them.
current: ContextVar[MessageItems | None] = ContextVar("model_serving_message_items", default=None)


def split(body: bytes, max_items: int) -> list[bytes]:
    """Return the messages of a body, each with the prefix of gRPC's length-prefixed messages.

    Raises:
        MalformedBody: it ends within one, or one is compressed.
        TooManyItems: it has more than `max_items`.
    """
    found: list[bytes] = []
    at = 0
    while at < len(body):
        if len(body) - at < PREFIX.size:
            raise MalformedBody("The body ends within the prefix of a message")
        flags, length = PREFIX.unpack_from(body, at)
        at += PREFIX.size
        if flags:
            raise MalformedBody("A message of the body has flags, and would be compressed: send it as it is")
        if len(body) - at < length:
            raise MalformedBody("The body ends within a message")
        if len(found) == max_items:
            raise TooManyItems(f"The body has more than {max_items} messages")
        found.append(body[at : at + length])
        at += length
    return found
