"""DecodeSlots for which threads and greenlets can wait alike: bytes in a pipe."""

from __future__ import annotations

import os
import time

from aylien_model_serving.process import readiness


class DecodeSlots:
    """A number of slots.

    Args:
        count: that number.
    """

    def __init__(self, count: int) -> None:
        self._out, self._in = os.pipe()
        os.set_blocking(self._out, False)
        os.write(self._in, bytes(count))

    def take(self, until: float) -> bool:
        """Take a slot, and return whether there was one in time.

        Args:
            until: `time.monotonic()` seconds at which waiting ends.
        """
        while True:
            try:
                return bool(os.read(self._out, 1))
            except BlockingIOError:
                if not readiness.wait(self._out, until - time.monotonic()):
                    return False

    def give_back(self) -> None:
        """Give back a slot that was taken."""
        os.write(self._in, b"\0")

    def close(self) -> None:
        """Close the pipe."""
        os.close(self._out)
        os.close(self._in)
