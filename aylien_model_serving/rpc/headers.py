"""The headers of frames: what is sent of a call and of a reply beside the body, in MessagePack.

Pure. `protocol` puts headers and bodies into frames; this knows neither sockets nor the framing.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

#: Kinds of frames from the client to the replica.
CALL, CANCEL, CREDIT = 1, 2, 3

#: The one frame from the client that belongs to no call: jobs wait in the store.
WAKE = 9

#: Kinds of frames from the replica to the client. REFUSED: the call was not begun, send it elsewhere.
REPLY, STREAM, ITEM, END, REFUSED = 4, 5, 6, 7, 8

#: The one from a gateway alone: who ran the call on another machine, or made its stream, is gone.
LOST = 10

#: The method of a call whose body is a value of Python's, and the media type of a reply with such a body.
VALUES, VALUES_TYPE = "CALL", "application/vnd.model-serving.values"


class WireError(Exception):
    """The bytes are not those of a frame; the connection can't go on."""


class CallHeader(msgspec.Struct, array_like=True):
    """A call without its body."""

    method: str
    path: str
    query: str
    content_type: str | None
    content_encoding: str | None
    accept: str | None
    path_values: dict[str, Any]
    request_id: str
    seconds_left: Annotated[float, msgspec.Meta(ge=0)] | None
    suspect: bool
    caller: str = ""
    body_limit: int | None = None
    parameters: dict[str, str] | None = None
    models: tuple[str, ...] = ()


class ReplyHeader(msgspec.Struct, array_like=True):
    """A reply without its body."""

    status: int
    media_type: str
    headers: list[tuple[str, str]]
    varies_by: tuple[str, ...] = ()


def holds_value(header: object) -> bool:
    """Return whether the body that belongs to a header is a value of Python's."""
    if isinstance(header, CallHeader):
        return header.method == VALUES
    return isinstance(header, ReplyHeader) and header.media_type == VALUES_TYPE


#: Codes of MessagePack's extension types for path values that it has no type for.
_UUID, _LARGE_INTEGER = 1, 2


def _from_extension(code: int, data: memoryview) -> Any:
    if code == _UUID and len(data) == 16:
        return uuid.UUID(bytes=bytes(data))
    if code == _LARGE_INTEGER:
        return int.from_bytes(data, "little", signed=True)
    raise WireError(f"There is no value of type {code} with {len(data)} bytes")


_REPLY_DECODER = msgspec.msgpack.Decoder(ReplyHeader)

#: The decoder of each kind's header; None where there is none.
DECODERS: Mapping[int, msgspec.msgpack.Decoder[Any] | None] = {
    CALL: msgspec.msgpack.Decoder(CallHeader, ext_hook=_from_extension),
    CREDIT: msgspec.msgpack.Decoder(Annotated[int, msgspec.Meta(ge=1, le=1 << 31)]),
    REPLY: _REPLY_DECODER,
    STREAM: _REPLY_DECODER,
    **dict.fromkeys((CANCEL, ITEM, END, REFUSED, WAKE, LOST)),
}


def decode(kind: int, header: memoryview) -> Any:
    """Return the header of a frame of a known kind; None of a kind that has none.

    Raises:
        WireError: it can't be decoded.
    """
    decoder = DECODERS[kind]
    if decoder is None:
        if header:
            raise WireError(f"A frame of kind {kind} has no header")
        return None
    try:
        return decoder.decode(header)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WireError(f"The header of a frame of kind {kind} can't be read: {error}") from error


def to_plain(path_values: Mapping[str, object]) -> dict[str, Any]:
    """Return a path's values in types that MessagePack has.

    Raises:
        TypeError: one is neither str, int, float nor UUID.
    """
    return {name: _plain(name, value) for name, value in path_values.items()}


def _plain(name: str, value: object) -> Any:
    """Return a path value in a type that MessagePack has."""
    if type(value) in (str, float):
        return value
    if type(value) is int:
        if -(1 << 63) <= value < 1 << 64:
            return value
        size = value.bit_length() // 8 + 1
        return msgspec.msgpack.Ext(_LARGE_INTEGER, value.to_bytes(size, "little", signed=True))
    if type(value) is uuid.UUID:
        return msgspec.msgpack.Ext(_UUID, value.bytes)
    raise TypeError(
        f"The path value {name!r} is of type {type(value).__qualname__}: a runner takes str, int, float and "
        "UUID. Let the path's converter return one of these, and make the rest in the handler"
    )
