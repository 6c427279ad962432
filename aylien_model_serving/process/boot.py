"""The boot of this machine, which tells whether two readings of its monotonic clock can be compared."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path


@cache
def boot_id() -> str:
    """Return what all processes of this boot have in common; "" where the system does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


@cache
def clock_id() -> str:
    """Return the boot, and the namespace of clocks if there are any: time_namespaces(7); "" as above."""
    try:
        namespace = str(os.stat("/proc/self/ns/time").st_ino)
    except OSError:
        namespace = ""
    return f"{boot_id()}:{namespace}" if boot_id() else ""
