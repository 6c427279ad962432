"""Framing of the control messages between a service's processes: MessagePack behind a big-endian u32 length.

Sans-I/O: received bytes go in, bytes to send come out. Knows no kind of message; those are in
`control_messages`.
"""

from __future__ import annotations

import struct
from typing import Any, Generic, TypeVar

import msgspec

_LENGTH = struct.Struct(">I")

#: Bytes of one message at most: a spec with a large `init` fits, a stranger's bytes do not.
MAX_MESSAGE = 16 * 1024 * 1024

_T = TypeVar("_T")


class MessageError(Exception):
    """The other end violates the protocol; its connection has to be closed."""


def encode(message: Any) -> bytes:
    """Return the bytes of one message."""
    body = msgspec.msgpack.encode(message)
    return _LENGTH.pack(len(body)) + body


class MessageDecoder(Generic[_T]):
    """An incremental decoder: takes bytes as they come, and returns the messages that they complete.

    Args:
        kind: the type of the messages.
    """

    def __init__(self, kind: type[_T]) -> None:
        self._decoder = msgspec.msgpack.Decoder(kind)
        self._bytes = bytearray()

    def feed(self, data: bytes) -> list[_T]:
        """Return the messages that these bytes complete, in order.

        Raises:
            MessageError: a message is too long, or not of the right type.
        """
        self._bytes += data
        found: list[_T] = []
        start = 0
        while len(self._bytes) >= start + _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._bytes, start)
            if length > MAX_MESSAGE:
                raise MessageError(f"a message of {length:,} bytes is longer than {MAX_MESSAGE:,}")
            end = start + _LENGTH.size + length
            if len(self._bytes) < end:
                break
            found.append(self._decode(bytes(self._bytes[start + _LENGTH.size : end])))
            start = end
        del self._bytes[:start]
        return found

    def _decode(self, body: bytes) -> _T:
        try:
            return self._decoder.decode(body)
        except msgspec.MsgspecError as error:
            raise MessageError(str(error)) from error
