"""Reads what handlers have noted, and waits for it."""

import time
from collections.abc import Callable, Collection
from pathlib import Path

POLL_S = 0.005


class Trace:
    """The runs of jobs, by their tokens.

    Args:
        file: that handlers append to.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        file.touch()
        self._read_to = 0
        self.began: dict[str, list[float]] = {}
        self.ended: dict[str, list[float]] = {}

    def follow(self) -> None:
        """Read what was appended; times are seconds since the epoch."""
        with self.file.open("rb") as file:
            file.seek(self._read_to)
            lines, _, _ = file.read().rpartition(b"\n")
        if not lines:
            return
        self._read_to += len(lines) + 1
        for line in lines.decode().splitlines():
            event, token, at = line.split()
            (self.began if event == "began" else self.ended).setdefault(token, []).append(float(at))

    def wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Return whether a condition comes true within so many seconds."""
        deadline = time.monotonic() + seconds
        while True:
            self.follow()
            if condition():
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_S)

    def all_began(self, tokens: Collection[str], seconds: float, times: int = 1) -> bool:
        """Return whether each of some jobs began so many times within so many seconds."""
        return self.wait(lambda: all(len(self.began.get(each, ())) >= times for each in tokens), seconds)
