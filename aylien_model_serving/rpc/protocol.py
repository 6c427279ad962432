"""The protocol between a web worker and a replica: calls and replies ↔ frames.

Sans-I/O: no sockets, no clocks, no pickle. The client sends CALL, CANCEL and CREDIT; the replica answers with
REPLY, with REFUSED, or with STREAM, then ITEMs, then END. A stream may send `STREAM_CREDIT` items before the
client's first CREDIT, and as many more as each CREDIT grants.
"""

from __future__ import annotations

import msgspec

from aylien_model_serving.core.messages import Call, Reply
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
    "encode_refused",
    "encode_reply",
    "encode_wake",
]

#: Items of a stream that may be sent before the client grants further credit.
STREAM_CREDIT = 16

#: Bytes up to which a body is copied behind its header, which is quicker than a second buffer.
_JOINED_BODY = 1 << 14

_ENCODER = msgspec.msgpack.Encoder()


def encode_call(number: int, call: Call, suspect: bool) -> list[Buffer]:
    """Return the buffers of a call, for one vectored write.

    Args:
        number: the call's number, 64 bits.
        call: the call; of its headers those are sent that say how to decode the body and encode the response.
        suspect: whether a replica died while it ran this call.

    Raises:
        BodyTooLarge: the body is over 1 GiB.
        BadRequest: the path, the query or a header is not text.
        TypeError: a path value is neither str, int, float nor UUID.
    """
    if len(call.body) > MAX_BODY_SIZE:
        raise BodyTooLarge(MAX_BODY_SIZE)
    value_of = call.headers.get
    header = CallHeader(
        call.method,
        call.path,
        call.query,
        value_of("content-type"),
        value_of("content-encoding"),
        value_of("accept"),
        to_plain(call.path_values) if call.path_values else {},
        call.request_id,
        call.deadline,
        suspect,
        call.caller,
    )
    try:
        return _frame(CALL, number, _ENCODER.encode(header), call.body)
    except UnicodeEncodeError as error:
        raise BadRequest("The path or a header holds half of a surrogate pair") from error


def encode_reply(number: int, reply: Reply, stream: bool = False) -> list[Buffer]:
    """Return the buffers of a reply, or of the header of a stream whose body follows as items.

    Raises:
        WireError: the header is over 1 MiB or the body over 1 GiB.
    """
    header = _ENCODER.encode(ReplyHeader(reply.status, reply.media_type, reply.headers, reply.varies_by))
    return _frame(STREAM if stream else REPLY, number, header, b"" if stream else reply.body)


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


def encode_refused(number: int) -> list[Buffer]:
    """Return the buffers that refuse a call, which was not begun and can be sent elsewhere."""
    return [PREFIX.pack(REFUSED, 0, number, 0)]


def _frame(kind: int, number: int, header: bytes, body: bytes) -> list[Buffer]:
    if len(header) > MAX_HEADER_SIZE or len(body) > MAX_BODY_SIZE:
        raise WireError(f"A frame of {len(header):,} and {len(body):,} bytes is too large")
    prefix = PREFIX.pack(kind, len(header), number, len(body))
    if len(body) <= _JOINED_BODY:
        return [b"".join((prefix, header, body))]
    return [prefix + header, body]


def decode_call(frame: Frame) -> tuple[Call, bool]:
    """Return the call in a CALL frame, and whether a replica died while it ran it."""
    header: CallHeader = frame.header
    headers = {}
    if header.content_type is not None:
        headers["content-type"] = header.content_type
    if header.content_encoding is not None:
        headers["content-encoding"] = header.content_encoding
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
        header.deadline,
        header.caller,
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
