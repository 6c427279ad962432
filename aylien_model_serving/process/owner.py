"""The process that owns this process's service, and the folder that belongs to it.

Standard library only. The owner is Gunicorn's master, the parent of a worker that multiprocessing started, or
the process itself. Its folder is private (mode 0700), is held by a lock of all processes of the service
(`held_folders`), and is removed once they have exited.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import stat
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

from aylien_model_serving.process import held_folders
from aylien_model_serving.process.boot import boot_id

#: The owner of a process that a supervisor has started; 0 where it is to be found.
_adopted = 0


def adopt(pid: int) -> None:
    """Have this process, which a supervisor has started, be one of an owner's."""
    global _adopted
    _adopted = pid


def find() -> int:
    """Return the process id of the owner."""
    if _adopted:
        return _adopted
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
    shared = _home()
    shared.mkdir(mode=0o700, exist_ok=True)
    if not _is_private(shared):
        raise PermissionError(
            f"{shared} belongs to somebody else or is open to others: remove it, or set TMPDIR"
        )
    return shared


def _home() -> Path:
    return _temporary_folder() / f"model-serving-{os.getuid()}"


def _is_private(folder: Path) -> bool:
    status = os.lstat(folder)
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077


def _temporary_folder() -> Path:
    """Return the first folder for temporary files that may be written to, whether its disk has room or not.

    `tempfile.gettempdir()` returns another one while the disk is full: a service's processes would not agree.
    """
    candidates: list[str] = tempfile._candidate_tempdir_list()  # type: ignore[attr-defined]
    writable = (each for each in candidates if os.path.isdir(each) and os.access(each, os.W_OK | os.X_OK))
    return Path(next(writable, candidates[0]))


def folder(pid: int) -> Path:
    """Return an owner's folder, made if it does not exist, and hold it for as long as this process lives.

    Folders that nobody holds are removed. A process of another container, with which this one shares its
    temporary folder, can't be seen here, so its id says nothing. An owner that is seen keeps its folder while
    none of its workers is there to hold it, since the owner need not have loaded this library.
    """
    remove_unheld_folders()
    return held_folders.hold(home() / name_of(pid))


def remove_unheld_folders() -> None:
    """Remove what processes have left that were killed, so that nobody holds it."""
    for other in home().iterdir():
        if other.is_dir() and not is_alive(other.name):
            held_folders.remove_unheld(other)


def find_folder(pid: int) -> Path | None:
    """Return an owner's folder; None where there is none."""
    found = _home() / name_of(pid)
    return found if found.is_dir() and _is_private(found.parent) else None


def remove_folder(pid: int) -> None:
    """Remove an owner's folder, and all others that this process holds."""
    held_folders.remove(home() / name_of(pid))
    held_folders.remove_held()


def name_of(pid: int) -> str:
    """Return a name that no other process has: of another time, another boot or another PID namespace."""
    started = _start_time(pid)
    if started == "gone":
        return f"{pid}-gone"
    return f"{pid}-{hashlib.sha256(f'{_machine()} {started}'.encode()).hexdigest()[:10]}"


def is_alive(name: str) -> bool:
    """Return whether the process of this name is alive; one of another PID namespace is not found."""
    pid = name.partition("-")[0]
    return pid.isdigit() and not name.endswith("-gone") and name_of(int(pid)) == name


@cache
def _machine() -> str:
    """Return what two processes have in common that see each other: proc(5), pid_namespaces(7)."""
    try:
        return f"{boot_id()}{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return ""


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


def is_first(what: str) -> bool:
    """Return whether no process of this owner's has asked so before: what concerns all is told once."""
    try:
        os.close(os.open(folder(find()) / f"first-{what}", os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return False
    except OSError:
        return True  # nobody can know, and twice is better than never
    return True


def seconds_since_start() -> float | None:
    """Return for how long this process has been there; None where the system does not say."""
    began = _start_time(os.getpid())
    if not began.isdigit():
        return None
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(began) / os.sysconf("SC_CLK_TCK")


def _start_time(pid: int) -> str:
    """Return the clock tick at which a process started, by which a recycled id is noticed; "gone" without it.

    Field 22 of proc(5) stat, counted behind the command's name, which may hold any characters.
    """
    if not _has_own_proc():
        return _alive_by_signal(pid)
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "gone" if state in "ZX" else fields[18]  # dead, and not yet reaped
    except OSError:
        return "gone"


def _has_own_proc() -> bool:
    """Return whether /proc is that of this PID namespace, and not of the one that it was made in."""
    try:
        return os.readlink("/proc/self") == str(os.getpid())
    except OSError:
        return False


def _alive_by_signal(pid: int) -> str:
    """Return the same without /proc, where a process that can be signalled counts as the same one."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return "gone"
    except (PermissionError, OverflowError):
        pass
    return "alive"
