"""The decoders of this process: a few at once, started at their first use and kept for the next file.

Who waits for one waits until his own deadline. Works on threads and in greenlets alike; after a fork, the
child starts decoders of its own.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager

from aylien_model_serving.decoding.channel import ChannelClosed
from aylien_model_serving.decoding.errors import BadFile, TooLarge
from aylien_model_serving.decoding.messages import DecodeRequest, DecodeResponse
from aylien_model_serving.decoding.processes import DecoderProcess, Keeper
from aylien_model_serving.decoding.slots import DecodeSlots
from aylien_model_serving.errors import Unavailable
from aylien_model_serving.process import native_threads, readiness, server_threads
from aylien_model_serving.process.native_threads import ProcessLock, native_lock

logger = logging.getLogger(__name__)

#: Seconds after which a decoder that nobody needs ends.
_IDLE_SECONDS = 60.0

#: Seconds that a decoder may take to start, whatever its file's deadline: the next one finds it started.
_START_SECONDS = 30.0

#: Videos whose frames are asked for one by one at the same time; each keeps a decoder.
_MAX_FILMS = 8

#: Callers that decode or wait for it at once in one process.
_MAX_CALLERS = 1000

#: Threads of a server from which on callers are kept from taking them all; fewer are needed for each burst.
_MANY_THREADS = 32

#: Bytes beside those of an array that a body may have: a picture in a mode of its own has more per pixel.
_SLACK = 1 << 20

_PROBLEMS: dict[str, type[Exception]] = {"bad": BadFile, "large": TooLarge, "missing": ImportError}


class DecodeTimeout(Exception):
    """A decode was not done in time."""


class DecoderPool:
    """Decoders, of which a number works at once.

    Args:
        size: that number.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._working = DecodeSlots(size)
        self._films = DecodeSlots(_MAX_FILMS)
        self._callers = 0
        self._lock = native_lock()
        self._idle: list[DecoderProcess] = []
        self._keeper = Keeper(os.environ, self._end_idle, _IDLE_SECONDS)

    @contextmanager
    def slot(self, until: float) -> Iterator[None]:
        """Be one of those who decode.

        Raises:
            Unavailable: all slots are taken until then, or too many wait on a server's threads.
        """
        with self._lock:
            self._callers += 1
            is_crowded = self._callers > _places()
        try:
            if is_crowded or not self._working.take(until):
                raise Unavailable("Too many files are being decoded at the moment")
            try:
                yield
            finally:
                self._working.give_back()
        finally:
            with self._lock:
                self._callers -= 1

    @contextmanager
    def decoder(self, until: float) -> Iterator[DecoderProcess]:
        """Have a decoder for one file."""
        decoder = self._take(until)
        try:
            yield decoder
        finally:
            self._give_back(decoder)

    @contextmanager
    def film(self, until: float) -> Iterator[DecoderProcess]:
        """Have a decoder that keeps a video between two slots.

        Raises:
            Unavailable: too many are open until then.
        """
        if not self._films.take(until):
            raise Unavailable("Too many videos are being decoded at the moment")
        try:
            with self.decoder(until) as decoder:
                yield decoder
        finally:
            self._films.give_back()

    def _take(self, until: float) -> DecoderProcess:
        """Return a decoder that nobody else has; whoever takes one gives it back or ends it."""
        while True:
            with self._lock:
                decoder = self._idle.pop() if self._idle else None
            if decoder is None:
                return self._started(until)
            if not readiness.wait(decoder.channel.descriptor, 0):
                return decoder
            self.end(decoder)  # it has ended since

    def _give_back(self, decoder: DecoderProcess) -> None:
        """Keep a decoder for the next file, or end it where enough are kept."""
        decoder.idle_since = time.monotonic()
        with self._lock:
            is_kept = len(self._idle) < self._size and not decoder.is_ended
            if is_kept:
                self._idle.append(decoder)
        if not is_kept:
            self.end(decoder)

    def end(self, decoder: DecoderProcess) -> None:
        """End a decoder, also one that is at work."""
        if not decoder.is_ended:
            decoder.is_ended = True
            self._keeper.end(decoder)

    def forget(self) -> None:
        """Close what a fork has inherited."""
        for decoder in self._idle:
            decoder.channel.close()
        self._working.close()
        self._films.close()

    def _started(self, until: float) -> DecoderProcess:
        decoder = self._keeper.start()
        channel = decoder.channel
        channel.until = max(until, time.monotonic() + _START_SECONDS)
        try:
            channel.receive(0)
        except (ChannelClosed, TimeoutError) as error:
            self.end(decoder)
            raise RuntimeError("a process that decodes files does not start: the log has more") from error
        except BaseException:
            self.end(decoder)
            raise
        return decoder

    def _end_idle(self) -> None:
        since = time.monotonic() - _IDLE_SECONDS
        with self._lock:
            old = [decoder for decoder in self._idle if decoder.idle_since < since]
            self._idle = [decoder for decoder in self._idle if decoder.idle_since >= since]
        for decoder in old:
            self.end(decoder)


def _places() -> int:
    """Return how many may decode or wait for it; of a server's threads some are left to others."""
    threads = server_threads.count()
    if threads < _MANY_THREADS or native_threads.is_patched():
        return _MAX_CALLERS
    return threads * 3 // 4


def responses(
    pool: DecoderPool, decoder: DecoderProcess, request: DecodeRequest, content: bytes, until: float
) -> Generator[tuple[DecodeResponse, bytearray], None, None]:
    """Ask a decoder, and yield its responses.

    Raises:
        BadFile, TooLarge: the file can't be decoded.
        DecodeTimeout: it took too long; a decoder that is at work is ended.
    """
    if time.monotonic() >= until:
        raise DecodeTimeout  # the time went by while the decoder was started, which serves the next
    channel = decoder.channel
    channel.until = until
    largest = request.limits.bytes + _SLACK
    is_done = False
    try:
        channel.send(request, content)
        while not is_done:
            response, body = channel.receive(largest)
            is_done = response.is_last
            largest -= len(body)
            if response.detail:
                logger.warning("A file of type %s can't be decoded: %s", request.media_type, response.detail)
            if response.problem:
                raise _PROBLEMS[response.problem](response.message)
            yield response, body
    except TimeoutError:
        raise DecodeTimeout from None
    except ChannelClosed:
        raise BadFile(f"the {request.media_type} is broken, or takes more to decode than it may") from None
    finally:
        if not is_done:
            pool.end(decoder)


_lock = ProcessLock()
_pools: dict[int, DecoderPool] = {}


def of_process(size: int) -> DecoderPool:
    """Return this process's decoders.

    Args:
        size: how many work at once, if this is the first use.
    """
    process = os.getpid()
    if (known := _pools.get(process)) is not None:
        return known
    with _lock:
        if process not in _pools:
            _pools[process] = DecoderPool(size)
    return _pools[process]


def _forget_inherited() -> None:
    """Leave to the parent what it has, after a fork."""
    for pool in _pools.values():
        pool.forget()
    _pools.clear()


os.register_at_fork(after_in_child=_forget_inherited)
