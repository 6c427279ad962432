"""One connection to a SQLite file, and which file that is: another one may have its name by now."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from aylien_model_serving.jobs.errors import StoreUnavailable
from aylien_model_serving.jobs.sqlite import database_errors, store_file

#: Seconds that a reader waits, who has to where another process opens or closes the log alone.
_READ_TIMEOUT = 0.1

#: Bytes that the write-ahead log is cut to after each checkpoint, which comes every 1,000 pages.
LOG_SIZE = 8 * 1024 * 1024


class FileConnection(NamedTuple):
    """A connection, the files that it is to, and the version of their tables."""

    db: sqlite3.Connection
    files: store_file.Files
    version: int


class Damaged(StoreUnavailable):
    """A file is not as it was written."""

    message = database_errors.DAMAGED

    def __init__(self, file: store_file.Identity) -> None:
        super().__init__()
        self.file = file


@contextmanager
def waiting(db: sqlite3.Connection, seconds: float) -> Iterator[None]:
    """Have each statement wait for so long in SQLite where others hold what it needs."""
    db.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")
    try:
        yield
    finally:
        db.execute(f"PRAGMA busy_timeout = {int(_READ_TIMEOUT * 1000)}")


def connect(path: Path) -> FileConnection:
    """Open a file that is there: one that was removed must not be replaced unnoticed by an empty one."""
    with store_file.opening(path):
        found = store_file.files(path)
        db = sqlite3.connect(
            f"{path.as_uri()}?mode=rw",
            uri=True,
            timeout=_READ_TIMEOUT,
            isolation_level=None,  # transactions begin where the code says so
            check_same_thread=False,
        )
        try:
            # The log outlives a killed process, and is synced at checkpoints: what a power cut takes is whole
            # transactions at the end.
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute("PRAGMA foreign_keys = ON")
            db.execute(f"PRAGMA journal_size_limit = {LOG_SIZE}")
            (version,) = db.execute("PRAGMA user_version").fetchone()  # opens the log, too
            return FileConnection(db, store_file.files(path), version)
        except BaseException as error:
            db.close()
            if database_errors.is_damage(error):
                raise Damaged(found.main) from error
            raise
