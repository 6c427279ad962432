"""Whether the head of a Ray cluster is there: asked by connecting to its port, again and again.

Ray itself waits for a head that is gone for a minute, in which calls neither end nor fail.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

#: Seconds between two questions, and those that an answer may take.
_EVERY = 0.4
_PATIENCE = 1.0

#: Unanswered questions in a row after which the head counts as gone; one that is refused says so by itself.
_MOST_SILENT = 2


def is_there(address: str) -> bool:
    """Return whether somebody listens at a host and port."""
    return _ask(address) is None


def _ask(address: str) -> OSError | None:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), _PATIENCE).close()
    except OSError as error:
        return error
    return None


class HeadWatch:
    """Watches a head on a thread of its own.

    Args:
        address: its host and port.
        on_gone: called when it is gone.
        on_back: called when it is there again.
    """

    def __init__(self, address: str, on_gone: Callable[[], None], on_back: Callable[[], None]) -> None:
        self._address = address
        self._on_gone = on_gone
        self._on_back = on_back
        self._ended = threading.Event()

    def start(self) -> None:
        """Watch from here on."""
        threading.Thread(target=self._watch, name="model-serving-ray-head", daemon=True).start()

    def _watch(self) -> None:
        silent, is_gone = 0, False
        while not self._ended.wait(_EVERY):
            error = _ask(self._address)
            silent = 0 if error is None else silent + 1
            is_refused = isinstance(error, ConnectionRefusedError)
            if not is_gone and (is_refused or silent >= _MOST_SILENT):
                is_gone = True
                self._on_gone()
            elif is_gone and error is None:
                is_gone = False
                self._on_back()

    def end(self) -> None:
        """Watch no longer."""
        self._ended.set()
