"""Which process owns the service that this process works for, and the folder that belongs to it.

Standard library only. The owner is Gunicorn's master, the parent of a worker that multiprocessing
started, or the process itself. Its folder is private (mode 0700) and goes when the owner is gone.
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
    """Tell whether this process is, or may be forked into, one of several that serve together."""
    return "gunicorn.arbiter" in sys.modules or find() != os.getpid()


def _is_gunicorn_worker() -> bool:
    """A worker is a fork of its master: same program, same arguments, unless setproctitle renamed both."""
    if "gunicorn.arbiter" not in sys.modules:
        return False
    mine, parents = _command_line(os.getpid()), _command_line(os.getppid())
    return mine == parents or (
        mine.startswith(b"gunicorn: worker") and parents.startswith(b"gunicorn: master")
    )


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def home() -> Path:
    """Return the folder that all services of this user on this machine share, made if it is not there.

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
    """Return the folder of an owner, made if it is not there; folders of owners that are gone are removed."""
    shared = home()
    for other in shared.iterdir():
        if other.is_dir() and not is_alive(other.name):
            shutil.rmtree(other, ignore_errors=True)
    own = shared / name_of(pid)
    own.mkdir(mode=0o700, exist_ok=True)
    return own


def name_of(pid: int) -> str:
    """Return what no other process of this machine is called, not even one that gets the same id later."""
    return f"{pid}-{_started(pid)}"


def is_alive(name: str) -> bool:
    """Tell whether the process of this name is still there."""
    pid, _, started = name.partition("-")
    return pid.isdigit() and started != "gone" and _started(int(pid)) == started


def _started(pid: int) -> str:
    """Return the clock tick at which a process started, so that a recycled id is told apart; "gone" without
    it.

    Field 22 of proc(5) stat, counted behind the command's name, which may hold anything.
    """
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "gone" if state in "ZX" else fields[18]  # dead, and not yet reaped
    except OSError:
        return _alive_by_signal(pid)


def _alive_by_signal(pid: int) -> str:
    """Where there is no /proc, a process that can be signalled counts as the same one."""
    if Path("/proc/self").exists():
        return "gone"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return "gone"
    except PermissionError:
        pass
    return "alive"
