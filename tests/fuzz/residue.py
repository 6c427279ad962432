"""What a process holds: memory, threads, descriptors."""

from __future__ import annotations

import ctypes
import gc
import os
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

MEBIBYTE = 1024 * 1024

#: What a run may leave behind.
MOST_BYTES = 30 * MEBIBYTE
MOST_DESCRIPTORS = 8

#: Threads of one kind in one service: those of a pool start one by one.
MOST_THREADS = 40


@dataclass(frozen=True)
class Residue:
    """What this process holds.

    Args:
        resident_bytes: of its memory.
        threads: by the names of their kinds.
        descriptors: how many.
    """

    resident_bytes: int
    threads: Counter[str]
    descriptors: int

    @classmethod
    def now(cls) -> Residue:
        """Return what is held once what can be given back has been."""
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        names = Counter(thread.name.rstrip("0123456789_-") for thread in threading.enumerate())
        return cls(pages * os.sysconf("SC_PAGE_SIZE"), names, len(os.listdir("/proc/self/fd")))

    def faults_since(self, before: Residue, services: int) -> list[str]:
        """Return what has been left behind since then.

        Args:
            before: what was held then.
            services: how many the process has.
        """
        grown = self.resident_bytes - before.resident_bytes
        found = []
        if grown > MOST_BYTES:
            found.append(f"memory grew by {grown / MEBIBYTE:.1f} MiB")
        if self.descriptors > before.descriptors + MOST_DESCRIPTORS:
            found.append(f"descriptors grew from {before.descriptors} to {self.descriptors}")
        many = {kind: count for kind, count in self.threads.items() if count > MOST_THREADS * services}
        return [*found, *(f"{count} threads {kind!r} are left" for kind, count in many.items())]
