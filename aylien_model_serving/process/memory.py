"""The C library's allocator: how much freed memory a process keeps for the next request or batch.

Standard library only. By default the C library returns large blocks to the system when they are freed, which
clears them again, page by page, for the next request or batch.
"""

from __future__ import annotations

import ctypes
import os

#: The operator's own settings, which win; glibc's manual, "Memory Allocation Tunables".
_VARIABLES = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")
_TUNABLES = "GLIBC_TUNABLES"

#: Parameters of mallopt(3), from malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3

#: Bytes of a block from which it is returned to the system when it is freed: the most that glibc accepts.
_MMAP_THRESHOLD = 32 << 20

#: Freed bytes below that which the main thread keeps; the arenas of others are smaller, 64 MiB.
_TRIM_THRESHOLD = 128 << 20


def keep_freed() -> None:
    """Keep freed memory for what comes next, unless an operator has set that or the C library isn't glibc."""
    if any(name in os.environ for name in _VARIABLES) or "glibc.malloc" in os.environ.get(_TUNABLES, ""):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return
    mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD)
    mallopt(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD)
