"""Streaming responses: the items of a generator handler → server-sent events or lines of JSON.

Pure. An error in the middle becomes the last event, since the status has been sent by then. Messages of
protobuf are framed as gRPC frames them, for those who ask for that by name.

Events are framed here since JSON has no line breaks, so that a prefix and a suffix are all there is to it;
`sse-starlette` brings responses of Starlette's, and these bodies are sent by WSGI and ASGI alike.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

from aylien_model_serving.codecs import JSON, Encoder, preferred_media_types

EVENT_STREAM = "text/event-stream"
LINES = "application/x-ndjson"
MESSAGES = "application/grpc+proto"

#: Keep proxies from buffering items: nginx reads the first, every proxy the second.
HEADERS = (("X-Accel-Buffering", "no"), ("Cache-Control", "no-cache"))


@dataclass(frozen=True)
class Framing:
    """How items and errors are delimited on the wire.

    Args:
        media_type: the value of Content-Type.
        item: one encoded item as a chunk.
        error: an error's JSON as a chunk.
    """

    media_type: str
    item: Callable[[bytes], bytes]
    error: Callable[[bytes], bytes]


#: https://html.spec.whatwg.org/multipage/server-sent-events.html, section 9.2.5; JSON holds no line breaks.
EVENTS = Framing(
    EVENT_STREAM,
    lambda text: b"data: " + text + b"\n\n",
    lambda text: b"event: error\ndata: " + text + b"\n\n",
)

#: https://github.com/ndjson/ndjson-spec
NDJSON = Framing(LINES, lambda text: text + b"\n", lambda text: text + b"\n")

#: What comes before each message: a byte of flags, and the message's length.
PREFIX = struct.Struct(">BI")

#: The flag of the last frame, which has an error in place of a message; gRPC-Web marks its trailers so.
ERROR_FLAG = 0x80

#: Length-Prefixed-Message, https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
MESSAGE_FRAMES = Framing(
    MESSAGES,
    lambda message: PREFIX.pack(0, len(message)) + message,
    lambda text: PREFIX.pack(ERROR_FLAG, len(text)) + text,
)


def choose_framing(accept: str, encoder: Encoder) -> Framing:
    """Return the framing that an Accept header prefers; lines of JSON where it names none.

    Args:
        accept: the header.
        encoder: that the same header prefers; of messages it makes frames, if they are asked for.
    """
    for media_type in preferred_media_types(accept):
        if media_type == MESSAGES and encoder is not JSON:
            return MESSAGE_FRAMES
        if media_type == EVENT_STREAM:
            return EVENTS
        if media_type == LINES:
            return NDJSON
    return NDJSON


class ItemSource(Protocol):
    """Where the items come from; closing it stops the handler."""

    def __iter__(self) -> Iterator[Any]: ...

    def __aiter__(self) -> AsyncIterator[Any]: ...

    def close(self) -> None: ...


class StreamBody:
    """The body of a streaming response.

    Args:
        items: yields the items.
        framing: how they are delimited.
        encode: validates and encodes one item; raises what is wrong with it.
        encode_error: returns an error as JSON for the client.
    """

    def __init__(
        self,
        items: ItemSource,
        framing: Framing,
        encode: Callable[[Any], bytes],
        encode_error: Callable[[Exception], bytes],
    ) -> None:
        self._items = items
        self._framing = framing
        self._encode = encode
        self._encode_error = encode_error

    def __iter__(self) -> Iterator[bytes]:
        try:
            for item in self._items:
                yield self._framing.item(self._encode(item))
        except Exception as error:
            yield self._framing.error(self._encode_error(error))
        finally:
            self._items.close()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async with aclosing(aiter(self._items)) as items:  # type: ignore[type-var]  # a generator, in truth
            try:
                async for item in items:
                    yield self._framing.item(self._encode(item))
            except Exception as error:
                yield self._framing.error(self._encode_error(error))

    def close(self) -> None:
        self._items.close()
