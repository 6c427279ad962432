"""Which process owns the service that this process works for, and the folder that belongs to it.

Floor 0: standard library only. The owner is Gunicorn's master, the parent of a worker that multiprocessing
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


def folder(pid: int) -> Path:
    """Return the folder of an owner, made if it is not there; folders of owners that are gone are removed."""
    home = Path(tempfile.gettempdir()) / f"model-serving-{os.getuid()}"
    home.mkdir(mode=0o700, exist_ok=True)
    if home.is_symlink() or home.stat().st_uid != os.getuid() or home.stat().st_mode & 0o077:
        raise PermissionError(
            f"{home} belongs to somebody else or is open to others: remove it, or set TMPDIR"
        )
    for other in home.iterdir():
        if not _is_alive(other.name):
            shutil.rmtree(other, ignore_errors=True)
    own = home / f"{pid}-{_started(pid)}"
    own.mkdir(mode=0o700, exist_ok=True)
    return own


def _is_alive(name: str) -> bool:
    pid, _, started = name.partition("-")
    return pid.isdigit() and started != "gone" and _started(int(pid)) == started


def _started(pid: int) -> str:
    """Return the clock tick at which a process started, so that a recycled id is told apart; "gone" without
    it.

    Field 22 of proc(5) stat, counted behind the command's name, which may hold anything.
    """
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
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
