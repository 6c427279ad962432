"""The protocol between a web worker and a replica: calls and replies ↔ frames.

Sans-I/O: no sockets, no pickle, and the clock is passed in. The client sends CALL, CANCEL and CREDIT; the
replica answers with REPLY, with REFUSED, or with STREAM, then ITEMs, then END. A stream may send
`STREAM_CREDIT` items before the client's first CREDIT, and as many more as each CREDIT grants. A gateway
ends a stream with LOST whose replica on another machine is gone.

A deadline is sent as the seconds that are left, since another machine's clock has another origin. They are
counted when the call is encoded, so that the deadline of the other side is later by the time that the frame
waits to be sent and read. A client whose own deadline passes meanwhile sends CANCEL behind the call.

An argument of a call may be a stream, too, with a number of its own: the replica sends CREDIT, then the
client ITEMs, then END, or CANCEL where it can't make any more. The replica's CANCEL ends the stream.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec

from aylien_model_serving.core.messages import Call, InnerCall, Reply
from aylien_model_serving.errors import BadRequest, BodyTooLarge
from aylien_model_serving.rpc.frames import (
    MAX_BODY_SIZE,
    MAX_HEADER_SIZE,
    PREFIX,
    Buffer,
    Frame,
    FrameDecoder,
)
from aylien_model_serving.rpc.headers import (
    CALL,
    CANCEL,
    CREDIT,
    DECODERS,
    END,
    ITEM,
    LOST,
    REFUSED,
    REPLY,
    STREAM,
    WAKE,
    CallHeader,
    ReplyHeader,
    WireError,
    decode,
    to_plain,
)

__all__ = [
    "CALL",
    "CANCEL",
    "CREDIT",
    "END",
    "ITEM",
    "LOST",
    "MAX_BODY_SIZE",
    "MAX_HEADER_SIZE",
    "REFUSED",
    "REPLY",
    "STREAM",
    "STREAM_CREDIT",
    "WAKE",
    "Buffer",
    "Frame",
    "FrameDecoder",
    "WireError",
    "decode_call",
    "decode_frame",
    "decode_reply",
    "encode_call",
    "encode_cancel",
    "encode_credit",
    "encode_end",
    "encode_item",
    "encode_lost",
    "encode_refused",
    "encode_reply",
    "encode_wake",
]

#: Items of a stream that may be sent before the client grants further credit.
STREAM_CREDIT = 16

#: Bytes up to which a body is copied behind its header, which is quicker than a second buffer.
_JOINED_BODY = 1 << 14

#: What belongs to a call that is a request.
_REQUEST = InnerCall()

_ENCODER = msgspec.msgpack.Encoder()


def encode_call(
    number: int, call: Call, suspect: bool, clock: Callable[[], float] = time.monotonic
) -> list[Buffer]:
    """Return the buffers of a call, for one vectored write.

    Args:
        number: the call's number, 64 bits.
        call: the call; of its headers those are sent that say how to decode the body and encode the response.
        suspect: whether a replica died while it ran this call.
        clock: that of the call's deadline.

    Raises:
        BodyTooLarge: the body is over 1 GiB.
        BadRequest: the path, the query or a header is not text.
        TypeError: a path value is neither str, int, float nor UUID.
    """
    models, parts = (call.inner or _REQUEST)[:2]
    if len(call.body) + sum(map(len, parts)) > MAX_BODY_SIZE:
        raise BodyTooLarge(MAX_BODY_SIZE)
    value_of = call.headers.get
    header = CallHeader(
        call.method,
        call.path,
        call.query,
        value_of("content-type"),
        call.content_coding,
        value_of("accept"),
        to_plain(call.path_values) if call.path_values else {},
        call.request_id,
        None if call.deadline is None else max(0.0, call.deadline - clock()),
        suspect,
        call.caller,
        call.body_limit,
        None if call.parameters is None else dict(call.parameters),
        models,
    )
    try:
        return _frame(CALL, number, _ENCODER.encode(header), call.body, parts)
    except UnicodeEncodeError as error:
        raise BadRequest("The path or a header holds half of a surrogate pair") from error


def encode_reply(number: int, reply: Reply, stream: bool = False) -> list[Buffer]:
    """Return the buffers of a reply, or of the header of a stream whose body follows as items.

    Raises:
        WireError: the header is over 1 MiB or the body over 1 GiB.
    """
    header = _ENCODER.encode(ReplyHeader(reply.status, reply.media_type, reply.headers, reply.varies_by))
    if stream:
        return _frame(STREAM, number, header, b"")
    return _frame(REPLY, number, header, reply.body, reply.parts)


def encode_cancel(number: int) -> list[Buffer]:
    """Return the buffers that cancel a call or a stream."""
    return [PREFIX.pack(CANCEL, 0, number, 0)]


def encode_wake() -> list[Buffer]:
    """Return the buffers that say: jobs wait in the store."""
    return [PREFIX.pack(WAKE, 0, 0, 0)]


def encode_credit(number: int, items: int) -> list[Buffer]:
    """Return the buffers that grant a stream so many further items."""
    return _frame(CREDIT, number, _ENCODER.encode(items), b"")


def encode_item(number: int, chunk: bytes) -> list[Buffer]:
    """Return the buffers of a piece of a stream's body."""
    return _frame(ITEM, number, b"", chunk)


def encode_end(number: int) -> list[Buffer]:
    """Return the buffers that end a stream."""
    return [PREFIX.pack(END, 0, number, 0)]


def encode_lost(number: int) -> list[Buffer]:
    """Return the buffers that end a stream of which a part is missing."""
    return [PREFIX.pack(LOST, 0, number, 0)]


def encode_refused(number: int) -> list[Buffer]:
    """Return the buffers that refuse a call, which was not begun and can be sent elsewhere."""
    return [PREFIX.pack(REFUSED, 0, number, 0)]


def _frame(kind: int, number: int, header: bytes, body: bytes, parts: Sequence[Buffer] = ()) -> list[Buffer]:
    size = len(body) + sum(map(len, parts)) if parts else len(body)
    if len(header) > MAX_HEADER_SIZE or size > MAX_BODY_SIZE:
        raise WireError(f"A frame of {len(header):,} and {size:,} bytes is too large")
    prefix = PREFIX.pack(kind, len(header), number, size)
    if size <= _JOINED_BODY:
        return [b"".join((prefix, header, body, *parts))]
    return [prefix + header, body, *parts]


def decode_call(frame: Frame, clock: Callable[[], float] = time.monotonic) -> tuple[Call, bool]:
    """Return the call in a CALL frame, and whether a replica died while it ran it.

    Args:
        frame: the frame.
        clock: that of the call's deadline here.
    """
    header: CallHeader = frame.header
    headers = {}
    if header.content_type is not None:
        headers["content-type"] = header.content_type
    if header.accept is not None:
        headers["accept"] = header.accept
    call = Call(
        header.method,
        header.path,
        header.query,
        headers,
        frame.body,
        header.path_values,
        header.request_id,
        None if header.seconds_left is None else clock() + header.seconds_left,
        header.caller,
        header.content_encoding,
        header.body_limit,
        header.parameters,
        inner=InnerCall(header.models) if header.models else None,
    )
    return call, header.suspect


def decode_frame(data: bytes) -> Frame:
    """Return the one frame in stored bytes.

    Raises:
        WireError: they are not one frame.
    """
    if len(data) >= PREFIX.size:
        kind, header_size, number, body_size = PREFIX.unpack_from(data)
        body_at = PREFIX.size + header_size
        if kind in DECODERS and len(data) == body_at + body_size:
            return Frame(kind, number, decode(kind, memoryview(data)[PREFIX.size : body_at]), data[body_at:])
    raise WireError(f"{len(data)} bytes are not one frame")


def decode_reply(frame: Frame) -> Reply:
    """Return the reply in a REPLY frame; that of a STREAM frame has no chunks yet."""
    header: ReplyHeader = frame.header
    return Reply(header.status, frame.body, header.media_type, header.headers, varies_by=header.varies_by)
