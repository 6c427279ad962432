"""Messages over a descriptor that does not block, until a time that is set for all of them."""

from __future__ import annotations

import os
import time

import msgspec

from aylien_model_serving.decoding.messages import MAX_HEADER, PREFIX, DecodeRequest, DecodeResponse, pack
from aylien_model_serving.process import readiness

_decode = msgspec.msgpack.Decoder(DecodeResponse).decode


class ChannelClosed(Exception):
    """The other end is gone, or says what is no message."""


class Channel:
    """The service's end of a decoder's socket.

    Args:
        descriptor: the socket, in non-blocking mode; it belongs to this channel.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        #: `time.monotonic()` seconds at which whatever is sent or received is over.
        self.until = 0.0

    def close(self) -> None:
        """Close the socket; a second call does nothing."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def send(self, request: DecodeRequest, content: bytes) -> None:
        """Send a request.

        Raises:
            TimeoutError: `until`, in `time.monotonic()` seconds, is over.
            ChannelClosed: nobody is there.
        """
        for part in (pack(request, len(content)), content):
            view = memoryview(part)
            while view:
                view = view[self._write(view) :]

    def receive(self, max_bytes: int) -> tuple[DecodeResponse, bytearray]:
        """Return the next response and its body.

        Args:
            max_bytes: that a body may have.

        Raises:
            TimeoutError, ChannelClosed: as in `send`.
        """
        header_length, body_length = PREFIX.unpack(self._read(PREFIX.size))
        if header_length > MAX_HEADER or body_length > max_bytes:
            raise ChannelClosed("a message is longer than any should be")
        try:
            response = _decode(self._read(header_length))
        except msgspec.MsgspecError as error:
            raise ChannelClosed(str(error)) from error
        return response, self._read(body_length)

    def wait(self) -> None:
        """Wait until something can be read.

        Raises:
            TimeoutError: as in `send`.
        """
        if not readiness.wait(self.descriptor, self.until - time.monotonic()):
            raise TimeoutError

    def _write(self, view: memoryview) -> int:
        while True:
            try:
                return os.write(self.descriptor, view)
            except BlockingIOError:
                if not readiness.wait(self.descriptor, self.until - time.monotonic(), to_write=True):
                    raise TimeoutError from None
            except OSError as error:
                raise ChannelClosed(str(error)) from error

    def _read(self, count: int) -> bytearray:
        data = bytearray(count)
        view = memoryview(data)
        while view:
            try:
                got = os.readv(self.descriptor, [view])
            except BlockingIOError:
                self.wait()
                continue
            except OSError as error:
                raise ChannelClosed(str(error)) from error
            if not got:
                raise ChannelClosed("the decoder ended")
            view = view[got:]
        return data
