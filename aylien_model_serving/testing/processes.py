"""Finds the processes of a service by a variable of their environment, whatever their group or session."""

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
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # ended meanwhile, or another user's
            if mark in (directory / "environ").read_bytes().split(b"\0"):
                line = (directory / "cmdline").read_bytes().replace(b"\0", b" ")
                found[int(directory.name)] = line.decode(errors="replace").strip()
    return found


def kill(pids: Iterable[int]) -> None:
    """End processes by force; those that have ended already are skipped."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def kill_group(leader: int) -> None:
    """Kill the processes of a group that are still there."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
