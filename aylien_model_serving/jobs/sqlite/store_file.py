"""The file of a store: how it is made, recognized, and set aside when it is damaged.

SQLite finds a file's log by its name, and trusts that nobody moves either while they are open. So whoever
opens them holds a lock on the folder together with others, and whoever moves or makes them holds it alone.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.jobs.errors import StoreUnavailable
from aylien_model_serving.process.native_threads import native_sleep

#: What SQLite appends to a file's name: for its log, and for the memory that connections share.
LOGS = ("-wal", "-shm")

#: Names of databases. What has another name, and does not begin as a database does, may be anything.
_SUFFIXES = {".db", ".db3", ".sqlite", ".sqlite3"}

#: Seconds that the folder's lock is waited for, which others hold for milliseconds, and between two tries.
_LOCK_TIMEOUT, _PAUSE = 1.0, 0.002

#: Errors that pass, or are mended, without another place for the file.
_PASSING = {
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE
}  # fmt: skip

Identity = tuple[int, int]


class Found(NamedTuple):
    """What has a file's name: which file, and its bytes."""

    file: Identity
    size: int


class Files(NamedTuple):
    """A file, and its logs where there are any."""

    main: Identity
    logs: tuple[Identity | None, ...]


class Gone(StoreUnavailable):
    """There is no file where one was."""

    message = "The job store's file is gone"


def look(path: Path) -> Found | None:
    """Return which file has a name, told apart from all others while it is open; None where there is none.

    Raises:
        StoreUnavailable: it can't be looked at.
    """
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StoreUnavailable("The job store's file can't be opened") from error
    return Found((status.st_dev, status.st_ino), status.st_size)


def files(path: Path) -> Files:
    """Return which files have a name, and those of its logs.

    Raises:
        Gone: the first does not.
    """
    main = _identity(path)
    if main is None:
        raise Gone
    return Files(main, tuple(map(_identity, _logs(path))))


def emptied(path: Path) -> Identity | None:
    """Return which file has lost all that it had, but not its log, which SQLite would throw away."""
    log = look(_logs(path)[0])  # first: one that is just being made has no log before it has a page
    main = look(path)
    return main.file if log is not None and log.size and main is not None and not main.size else None


def is_named_as_database(path: Path) -> bool:
    """Return whether a file's name says that it is a database."""
    return path.suffix in _SUFFIXES


def has_room(path: Path, size: int) -> bool:
    """Return whether so many bytes are free where the file is."""
    try:
        disk = os.statvfs(path.parent)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize >= size


def make(path: Path) -> None:
    """Make an empty file for this user alone, if there is none; SQLite gives its log the same mode.

    One that is there is not opened: closing it would end the locks that this process has on it.

    Raises:
        ConfigurationError: no file can be there.
        StoreUnavailable: none can be made at the moment.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError("it is a folder")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            with opening(path, alone=True):
                _make(path)
    except OSError as error:
        if error.errno in _PASSING:
            raise StoreUnavailable("The job store's file can't be made") from error
        raise ConfigurationError(f"No jobs can be kept in {path}: {error}") from error


def set_aside(path: Path, damaged: Identity) -> Path | None:
    """Give a damaged file and its logs another name, and make an empty file in its place.

    Args:
        path: of the file.
        damaged: which file that was.

    Returns:
        The name that it has now; None where another process was quicker.

    Raises:
        StoreUnavailable: it can't be done at the moment.
    """
    try:
        with opening(path, alone=True):
            if _identity(path) != damaged:
                return None
            aside = _free_name(path)
            _rename(path, aside)
            _make(path)
            return aside
    except OSError as error:
        raise StoreUnavailable("The job store's file is damaged, and can't be set aside") from error


def leave_logs(path: Path, left: Files) -> None:
    """Set the logs of a file aside that has lost its name, so that nobody takes them for another file's."""
    if not any(left.logs):
        return
    with opening(path, alone=True):
        if _identity(path) == left.main:
            return
        aside = _free_name(path)
        for log, known, suffix in zip(_logs(path), left.logs, LOGS, strict=True):
            if known is not None and _identity(log) == known:
                log.rename(f"{aside}{suffix}")


@contextmanager
def opening(path: Path, *, alone: bool = False) -> Iterator[None]:
    """Hold the folder's lock; nobody who holds it may switch to another greenlet.

    Args:
        path: of the file in the folder.
        alone: whether files are moved or made, and not only opened.

    Raises:
        StoreUnavailable: others hold it for too long.
    """
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise StoreUnavailable("The job store's folder can't be opened") from error
    try:
        _lock(folder, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
    finally:
        fcntl.flock(folder, fcntl.LOCK_UN)  # gevent closes later
        os.close(folder)


def _lock(folder: int, how: int) -> None:
    until = time.monotonic() + _LOCK_TIMEOUT
    while True:
        try:
            return fcntl.flock(folder, how | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > until:
                raise StoreUnavailable("The job store is busy: another process holds its folder") from error
            native_sleep(_PAUSE)


def _make(path: Path) -> None:
    """Make the file; logs that are there without one are another's, whose file was removed."""
    if path.exists():
        return
    if any(log.exists() for log in _logs(path)):
        _rename(path, _free_name(path))
    with suppress(FileExistsError):  # made by somebody who knows of no lock
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _rename(path: Path, aside: Path) -> None:
    for suffix in ("", *LOGS):
        with suppress(FileNotFoundError):
            os.rename(f"{path}{suffix}", f"{aside}{suffix}")


def _free_name(path: Path) -> Path:
    """Return a name beside a file that nothing has."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    number = 0
    while True:
        aside = path.with_name(f"{path.name}.damaged-{stamp}" + (f"-{number}" if number else ""))
        if not any(Path(f"{aside}{suffix}").exists() for suffix in ("", *LOGS)):
            return aside
        number += 1


def _logs(path: Path) -> list[Path]:
    return [path.with_name(path.name + suffix) for suffix in LOGS]


def _identity(path: Path) -> Identity | None:
    found = look(path)
    return None if found is None else found.file
