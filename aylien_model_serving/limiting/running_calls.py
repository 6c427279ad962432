"""How many calls of a client run at once, over all processes of a service on one machine.

A call that runs holds a lock on one byte of a file; which byte follows from client and route. What a process
holds when it dies, the operating system gives back.
"""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from aylien_model_serving.limiting.rates import MOST_CONCURRENT


class RunningCalls:
    """Counts calls that run, for all processes that use the same file.

    Args:
        file: whose bytes are locked, created if it does not exist; None for this process alone.

    Raises:
        OSError: the file can't be made.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = -1
        if file is not None:
            self._file = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        #: The bytes that this process holds, and for which call: what one step of the interpreter sets and
        #: removes needs no lock, which the garbage collector could meet when it closes a stream.
        self._held: dict[int, object] = {}
        os.register_at_fork(after_in_child=self._held.clear)

    def begin(self, key: bytes, limit: int) -> int | None:
        """Return what `end` takes, or None where as many calls run as may.

        Args:
            key: of the client on the route, 16 bytes.
            limit: how many may run, up to `MOST_CONCURRENT`.
        """
        first = int.from_bytes(key[:6], "little") * MOST_CONCURRENT
        offset = os.getpid()  # so that processes begin at different bytes
        for number in range(limit):
            byte = first + (offset + number) % limit
            if self._claim(byte):
                return byte
        return None

    def _claim(self, byte: int) -> bool:
        claim = object()
        if self._held.setdefault(byte, claim) is not claim:
            return False
        if self._file < 0 or self._lock(byte):
            return True
        del self._held[byte]
        return False

    def _lock(self, byte: int) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
        except OSError as error:
            return error.errno not in (errno.EACCES, errno.EAGAIN)  # without locks, this process alone counts
        return True

    def end(self, byte: int) -> None:
        """Count a call as ended."""
        if self._file >= 0:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, byte)
        self._held.pop(byte, None)
