"""What processes use of the machine, as /proc tells: proc(5), stat and statm.

Standard library only. Nothing is found where there is no /proc, or where it is that of another PID namespace.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")  # a second

_PROC = Path("/proc")


class Usage(NamedTuple):
    """The memory and the time of one process.

    Args:
        pid: its id.
        parent: that of its parent.
        memory: bytes that are resident, those that it shares with others included.
        cpu: seconds that its threads have computed, in all.
    """

    pid: int
    parent: int
    memory: int
    cpu: float


def of(pid: int) -> Usage | None:
    """Return what a process uses; None where there is none."""
    try:
        # The command's name stands in parentheses and may hold any characters.
        fields = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
        resident = (_PROC / str(pid) / "statm").read_bytes().split()[1]
    except (OSError, IndexError):
        return None
    return Usage(
        pid, int(fields[1]), int(resident) * _PAGE_BYTES, (int(fields[11]) + int(fields[12])) / _TICKS
    )


def children(pid: int) -> Iterator[int]:
    """Yield the ids of a process's children, whichever of its threads have started them."""
    try:
        for task in (_PROC / str(pid) / "task").iterdir():
            yield from map(int, (task / "children").read_bytes().split())
    except OSError:  # it has ended, or the kernel does not tell
        return
