"""The process that owns this process's service, and the folder that belongs to it.

Standard library only. The owner is Gunicorn's master, the parent of a worker that multiprocessing started, or
the process itself. Its folder is private (mode 0700) and is removed once the owner has exited.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sys
import tempfile
from pathlib import Path


def find() -> int:
    """Return the process id of the owner."""
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid is not None:
        return parent.pid
    return os.getppid() if _is_gunicorn_worker() else os.getpid()


def serves_with_others() -> bool:
    """Return whether this process is, or may be forked into, one of several that serve together."""
    return "gunicorn.arbiter" in sys.modules or find() != os.getpid()


def _is_gunicorn_worker() -> bool:
    """Return whether the parent is its master: same program and arguments, unless setproctitle set both."""
    if "gunicorn.arbiter" not in sys.modules:
        return False
    own, parent = _command_line(os.getpid()), _command_line(os.getppid())
    return own == parent or (own.startswith(b"gunicorn: worker") and parent.startswith(b"gunicorn: master"))


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def home() -> Path:
    """Return the folder that all services of this user on this machine share, created if it does not exist.

    Raises:
        PermissionError: it is not this user's alone.
    """
    shared = Path(tempfile.gettempdir()) / f"model-serving-{os.getuid()}"
    shared.mkdir(mode=0o700, exist_ok=True)
    if shared.is_symlink() or shared.stat().st_uid != os.getuid() or shared.stat().st_mode & 0o077:
        raise PermissionError(
            f"{shared} belongs to somebody else or is open to others: remove it, or set TMPDIR"
        )
    return shared


def folder(pid: int) -> Path:
    """Return an owner's folder, created if it does not exist; those of exited owners are removed."""
    shared = home()
    for other in shared.iterdir():
        if other.is_dir() and not is_alive(other.name):
            shutil.rmtree(other, ignore_errors=True)
    own = shared / name_of(pid)
    own.mkdir(mode=0o700, exist_ok=True)
    return own


def name_of(pid: int) -> str:
    """Return a name that no other process of this machine has, not even one that gets the same id later."""
    return f"{pid}-{_start_time(pid)}"


def is_alive(name: str) -> bool:
    """Return whether the process of this name is alive."""
    pid, _, started = name.partition("-")
    return pid.isdigit() and started != "gone" and _start_time(int(pid)) == started


def open_pidfd(pid: int) -> int | None:
    """Return a descriptor that becomes readable when a process exits; None where the system has none.

    Raises:
        ProcessLookupError: there is no such process.
    """
    opened = getattr(os, "pidfd_open", None)
    if opened is None:
        return None
    try:
        return int(opened(pid))
    except ProcessLookupError:
        raise
    except OSError:
        return None


def _start_time(pid: int) -> str:
    """Return the clock tick at which a process started, by which a recycled id is noticed; "gone" without it.

    Field 22 of proc(5) stat, counted behind the command's name, which may hold any characters.
    """
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "gone" if state in "ZX" else fields[18]  # dead, and not yet reaped
    except OSError:
        return _alive_by_signal(pid)


def _alive_by_signal(pid: int) -> str:
    """Return the same without /proc, where a process that can be signalled counts as the same one."""
    if Path("/proc/self").exists():
        return "gone"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return "gone"
    except PermissionError:
        pass
    return "alive"
