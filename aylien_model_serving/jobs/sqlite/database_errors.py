"""What SQLite's errors mean for a store of jobs, and for its clients.

Told apart by their texts: Python 3.10 gives an exception no code.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from aylien_model_serving.jobs.errors import StoreUnavailable

DAMAGED = "The job store's file is damaged"
FULL = "The job store's disk is full"

#: What SQLite's messages say → what a client may read.
_REASONS = {
    "locked": "The job store is busy: another process holds it",
    "full": FULL,
    "readonly": "The job store can't be written to",
    "malformed": DAMAGED,
    "not a database": DAMAGED,
    "unable to open": "The job store's file can't be opened",
    "I/O error": "The job store's disk fails",
}

#: What they say of a file whose pages are not as they were written.
_DAMAGES = ("disk image is malformed", "not a database")

#: Errors of whoever wrote the statement, which no client should be asked to wait for.
_MISTAKES = (sqlite3.ProgrammingError, sqlite3.IntegrityError, sqlite3.DataError, sqlite3.NotSupportedError)


@contextmanager
def errors_for_clients() -> Iterator[None]:
    """Have an error of SQLite's be a `StoreUnavailable` with a sentence for clients; it is the cause."""
    try:
        yield
    except _MISTAKES:
        raise
    except sqlite3.Error as error:
        reason = next((reason for part, reason in _REASONS.items() if part in str(error)), None)
        raise StoreUnavailable(reason) from error


def is_busy(error: sqlite3.Error) -> bool:
    """Return whether another connection holds the lock that a statement needs."""
    return isinstance(error, sqlite3.OperationalError) and "locked" in str(error)


def is_damage(error: BaseException) -> bool:
    """Return whether the file is not as it was written."""
    return isinstance(error, sqlite3.DatabaseError) and any(part in str(error) for part in _DAMAGES)


def is_foreign(error: BaseException | None) -> bool:
    """Return whether the file may never have been a database."""
    return "not a database" in str(error)
