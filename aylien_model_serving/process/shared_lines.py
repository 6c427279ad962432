"""Lines that the processes of a service write to one file, of which the last are kept.

Standard library only. Nobody waits for a lock, which a stopped process might hold: a write to its end is
whole (open(2), O_APPEND). A line that is written while another process shortens the file may be lost.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path


class SharedLines:
    """The last lines of a file that is for this user alone.

    Args:
        path: of the file, in a folder that is for this user alone too.
        max_bytes: of the lines that are kept; the file has twice as many at most.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes

    def append(self, line: bytes) -> None:
        """Add a line.

        Raises:
            OSError: the file can't be written.
        """
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self._path, flags, 0o600)
        try:
            os.write(descriptor, line + b"\n")
            size = os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)
        if size > 2 * self._max_bytes:
            self._shorten()

    def read(self) -> list[bytes]:
        """Return the last lines, the oldest first; none where the file can't be read."""
        try:
            with self._path.open("rb") as file:
                start = max(0, file.seek(0, os.SEEK_END) - self._max_bytes)
                file.seek(start)
                lines = file.read().split(b"\n")[:-1]
        except OSError:
            return []
        return lines[1:] if start else lines

    def _shorten(self) -> None:
        shortened = self._path.with_name(f"{self._path.name}-{secrets.token_hex(4)}")
        shortened.write_bytes(b"".join(line + b"\n" for line in self.read()))
        shortened.replace(self._path)
