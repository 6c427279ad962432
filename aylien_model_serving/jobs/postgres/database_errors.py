"""What PostgreSQL's errors mean for a store of jobs, and for its clients.

Told apart by SQLSTATE (Appendix A of PostgreSQL's manual); an error without one is of the connection.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from aylien_model_serving.jobs.errors import StoreUnavailable

if TYPE_CHECKING:
    from psycopg import Connection

FULL = "The job store's disk is full"

_UNREACHABLE = "The job store can't be reached"
_BUSY = "The job store is busy"
_LATE = "The job store did not answer in time"
_CLOSED = "The job store does not let this service in"
_READ_ONLY = "The job store can't be written to"
_STARTING = "The job store starts or stops"
_MISSING = "The job store's tables are missing"

#: The code, or the two characters of its class → what a client may read.
_REASONS = {
    "25006": _READ_ONLY,
    "53100": FULL,
    "53300": "The job store takes no more connections",
    "53": "The job store is out of resources",
    "57014": _LATE,
    "57": _STARTING,
    "25P03": _LATE,
    "40": _BUSY,
    "55P03": _BUSY,
    "42P01": _MISSING,
    "3F": _MISSING,
    "28": _CLOSED,
    "3D": _CLOSED,
    "42501": _CLOSED,
    "08": _UNREACHABLE,
    "58": "The job store's disk fails",
    "XX": "The job store is damaged",
}


@contextmanager
def errors_for_clients() -> Iterator[None]:
    """Have an error of PostgreSQL's be a `StoreUnavailable` with a sentence for clients; it is the cause."""
    import psycopg
    import psycopg_pool

    try:
        yield
    except psycopg_pool.PoolTimeout as error:
        raise StoreUnavailable(_UNREACHABLE) from error
    except psycopg.Error as error:
        reason = reason_of(error.sqlstate)
        if reason is None and isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
            reason = _UNREACHABLE
        if reason is None:  # a mistake of whoever wrote the statement, which no client should wait for
            raise
        raise StoreUnavailable(reason) from error


def reason_of(code: str | None) -> str | None:
    """Return what a client may read of an error's SQLSTATE; None of one that waiting does not mend."""
    if code is None:
        return None
    return _REASONS.get(code) or _REASONS.get(code[:2])


def is_missing(error: StoreUnavailable) -> bool:
    """Return whether the tables are gone, and are to be made again."""
    return str(error) == _MISSING


def refuse_read_only(connection: Connection[Any]) -> None:
    """Raise PostgreSQL's own error if a transaction could write nothing, as on a standby."""
    import psycopg

    row = connection.execute("SHOW transaction_read_only").fetchone()
    if row == ("on",):
        raise psycopg.errors.ReadOnlySqlTransaction("this is a standby, or its transactions are read-only")


def is_of_connection(error: BaseException) -> bool:
    """Return whether another connection may do better: this one is late, broken, or to a standby."""
    import psycopg

    return isinstance(error, psycopg.Error) and error.sqlstate in (None, "25006")
