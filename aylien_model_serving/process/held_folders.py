"""Folders that are held: by a shared lock (flock(2)) of each process that uses one, on the folder itself.

Standard library only. The kernel lets a lock go with the last process that has it, in whatever PID namespace.
Forks inherit it on purpose: a server's workers hold what their master holds; what is executed does not. A
folder that is locked is also left alone by systemd-tmpfiles.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
import time
from contextlib import suppress
from pathlib import Path

#: Seconds that another process may take to find that it does not hold a folder that it wants to remove.
_WAIT_SECONDS = 5.0
_POLL_SECONDS = 0.002

#: Errors of a lock that another process has, and of a folder that it removes at this moment.
_BUSY = (errno.EAGAIN, errno.ENOENT)

#: The descriptors with the locks of this process and those that it was forked from.
_held: dict[Path, int] = {}


def hold(folder: Path) -> Path:
    """Make a folder if it does not exist, hold it for as long as this process lives, and return it.

    Raises:
        OSError: it can't be made.
    """
    if folder in _held and _is_at(folder, _held[folder]):
        return folder
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        with suppress(FileExistsError):  # `exist_ok` raises it for a folder that is removed at this moment
            folder.mkdir(mode=0o700)
        try:
            descriptor = _lock(folder, fcntl.LOCK_SH)
        except NotADirectoryError:
            raise
        except OSError as error:
            if error.errno not in _BUSY or time.monotonic() > deadline:
                return folder  # there are no locks here, and so nobody removes it
        else:
            _held[folder] = descriptor
            return folder
        time.sleep(_POLL_SECONDS)


def remove_unheld(folder: Path) -> None:
    """Remove a folder that no process holds; do nothing with others, or where locks can't be had."""
    try:
        descriptor = _lock(folder, fcntl.LOCK_EX)
    except OSError:
        return
    try:
        remove(folder)
    finally:
        os.close(descriptor)


def remove(folder: Path) -> None:
    """Remove a folder, whoever holds it; who makes it anew in between keeps what is new."""
    removed = folder.with_name(f"removed-{secrets.token_hex(6)}")
    try:
        folder.rename(removed)
    except OSError:  # it is gone, or its disk takes no name any more
        removed = folder
    shutil.rmtree(removed, ignore_errors=True)


def let_go(folder: Path) -> None:
    """Remove a folder that this process holds, and let its lock go."""
    descriptor = _held.pop(folder, None)
    try:
        remove(folder)
    finally:
        if descriptor is not None:
            os.close(descriptor)


def remove_held() -> None:
    """Remove all folders that this process holds."""
    for folder in list(_held):
        remove(folder)


def _lock(folder: Path, kind: int) -> int:
    """Return the descriptor that locks a folder.

    Raises:
        OSError: another process holds it or has just removed it, or this filesystem has no locks.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        if not _is_at(folder, descriptor):
            raise FileNotFoundError(errno.ENOENT, "it was removed", str(folder))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _is_at(folder: Path, descriptor: int) -> bool:
    """Return whether a descriptor is that of the folder at a path, which another may have replaced."""
    try:
        return os.path.samestat(os.stat(folder), os.fstat(descriptor))
    except OSError:
        return False
