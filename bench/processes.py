"""The processes of one server: found through /proc by parent, session and a mark in their environment."""

import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

MARK = "BENCH_MARK"
POLL_S = 0.02


def members(leader: int, mark: str) -> set[int]:
    """Return the leader, its descendants, its session, and every process that inherited the mark."""
    parents, sessions = {}, {}
    for pid in _all():
        try:
            _, _, after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
        except OSError:
            continue
        state, parent, _, session, *_ = after_name.split()
        if state != "Z":
            parents[pid], sessions[pid] = int(parent), int(session)
    found = {pid for pid, session in sessions.items() if session == leader or _is_marked(pid, mark)}
    found |= {leader} & parents.keys()
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {os.getpid()}


def proportional_memory(pids: Iterable[int]) -> int:
    """Return the bytes of memory of the processes, a page shared by n counted as 1/n (PSS, proc(5))."""
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return total * 1024


def processor_seconds(pids: Iterable[int]) -> float:
    """Return the seconds of processor time that the processes have had, those of the system included."""
    ticks = 0
    for pid in pids:
        try:
            _, _, after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
        except OSError:
            continue
        ticks += sum(int(field) for field in after_name.split()[11:13])
    return ticks / os.sysconf("SC_CLK_TCK")


def stop(leader: int, mark: str, grace_s: float) -> None:
    """Stop a server: SIGTERM to its leader, and after the grace period SIGKILL to what is left."""
    known = members(leader, mark)
    _signal(leader, signal.SIGTERM)
    _wait(known, leader, mark, grace_s)
    for pid in members(leader, mark) | _alive(known, mark):
        _signal(pid, signal.SIGKILL)


def _wait(known: set[int], leader: int, mark: str, grace_s: float) -> None:
    deadline = time.monotonic() + grace_s
    while time.monotonic() < deadline:
        if not _alive(known, mark) and not members(leader, mark):
            return
        time.sleep(POLL_S)


def _alive(known: set[int], mark: str) -> set[int]:
    """Return those of the known processes that are alive; a process id that was reused has no mark."""
    return {pid for pid in known if _is_marked(pid, mark)}


def _is_marked(pid: int, mark: str) -> bool:
    try:
        return f"{MARK}={mark}".encode() in Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False


def _all() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return
