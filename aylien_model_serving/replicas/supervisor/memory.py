"""How much memory a replica has, and how much this container has left.

Reads proc(5) and the cgroup's files; knows nothing of slots.
"""

from __future__ import annotations

import os
from pathlib import Path

_MIB = 1 << 20


def resident_mib(pid: int, proc: Path = Path("/proc")) -> float:
    """Return the resident memory of a process in MiB; 0 where that can't be read."""
    words = _text(proc / str(pid) / "statm").split()
    return int(words[1]) * os.sysconf("SC_PAGE_SIZE") / _MIB if len(words) > 1 else 0.0


def available_mib(proc: Path = Path("/proc"), cgroup: Path = Path("/sys/fs/cgroup")) -> float:
    """Return the memory that processes may still get, in MiB; infinity where that can't be read.

    Args:
        proc: where proc(5) is.
        cgroup: the folder of the container's own group, of version 2.
    """
    machine = _field(_text(proc / "meminfo"), "MemAvailable:")
    return min(float("inf") if machine is None else machine / 1024, _left_of_group(cgroup))


def _left_of_group(cgroup: Path) -> float:
    limit, used = _text(cgroup / "memory.max").strip(), _text(cgroup / "memory.current").strip()
    if not limit.isdigit() or not used.isdigit():
        return float("inf")
    reclaimable = _field(_text(cgroup / "memory.stat"), "inactive_file") or 0
    return max(0, int(limit) - int(used) + reclaimable) / _MIB


def _field(text: str, name: str) -> int | None:
    """Return the number behind a name, in a text of such lines."""
    for line in text.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == name and words[1].isdigit():
            return int(words[1])
    return None


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
