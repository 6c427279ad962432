"""Finds the processes of a service by a mark in their environment, whatever group or session they are in."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable
from pathlib import Path

#: The variable by which all processes of a service are found: its value is the service's own folder.
MARK = "SERVICE_FOLDER"


def of(folder: Path) -> dict[int, str]:
    """Return the command lines of a service's processes, by process id; none where there is no /proc.

    Args:
        folder: the service's own.
    """
    mark, found = f"{MARK}={folder}".encode(), {}
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # gone meanwhile, or somebody else's
            if mark in (place / "environ").read_bytes().split(b"\0"):
                line = (place / "cmdline").read_bytes().replace(b"\0", b" ")
                found[int(place.name)] = line.decode(errors="replace").strip()
    return found


def kill(pids: Iterable[int]) -> None:
    """End processes by force; those that are gone already are passed over."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def kill_group(leader: int) -> None:
    """End by force whoever of a group is still there."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
