"""What a process keeps of the memory that it is done with.

Standard library only. The C library gives large blocks back when they are freed, and the system
clears them again, page by page, for the next request or batch.
"""

from __future__ import annotations

import ctypes
import os

#: By which an operator has a say; glibc's manual, "Memory Allocation Tunables".
_VARIABLES = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")
_TUNABLES = "GLIBC_TUNABLES"

#: Parameters of mallopt(3), from malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3

#: Bytes of a block above which it is the system's once it is freed: the most that glibc lets one choose.
_OF_THE_SYSTEM = 32 << 20

#: Bytes that the main thread keeps of what is freed below that; the arenas of others are smaller, 64 MiB.
_KEPT = 128 << 20


def keep_freed() -> None:
    """Keep freed memory for what comes next, unless the operator has a say or the C library is not glibc."""
    if any(name in os.environ for name in _VARIABLES) or "glibc.malloc" in os.environ.get(_TUNABLES, ""):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return
    mallopt(_M_MMAP_THRESHOLD, _OF_THE_SYSTEM)
    mallopt(_M_TRIM_THRESHOLD, _KEPT)
