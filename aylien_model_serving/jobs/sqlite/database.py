"""Lends connections to a SQLite database, of which none is used behind a fork.

A child that inherits an open connection works without locks, on every connection it opens afterwards too
(sqlite.org/howtocorrupt.html, 2.6). And SQLite has locks of its own, on the memory that it allocates,
whichever database it is for: so whoever uses a connection is behind one gate.
"""

from __future__ import annotations

import os
import sqlite3
import weakref
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager

from aylien_model_serving.process.fork_gate import ForkGate

#: Seconds that a fork waits for the transactions of other threads.
FORK_TIMEOUT = 1.0

gate = ForkGate()


class Database(ABC):
    """Lends connections to one database."""

    def __init__(self) -> None:
        _all.add(self)

    @abstractmethod
    def take(self) -> AbstractContextManager[sqlite3.Connection]:
        """Lend a connection outside of a transaction; one that is begun and not committed is rolled back.

        Raises:
            StoreUnavailable: SQLite fails; the cause is chained.
        """

    @abstractmethod
    def transaction(self) -> AbstractContextManager[sqlite3.Connection]:
        """Lend a connection in the one transaction that may write; it is kept unless an exception comes."""

    @abstractmethod
    def check(self) -> None:
        """Return if the database can be written to.

        Raises:
            StoreUnavailable: it can't.
        """

    @abstractmethod
    def now(self) -> float:
        """Return the time of the database's clock, in seconds since the epoch."""

    @abstractmethod
    def close(self) -> None:
        """Close the connections that nobody uses."""

    @abstractmethod
    def before_fork(self) -> None:
        """Close what nobody uses and a child must not have; nobody passes the gate meanwhile."""

    @abstractmethod
    def begin_in_child(self) -> None:
        """Begin anew after a fork."""


_all: weakref.WeakSet[Database] = weakref.WeakSet()


def _before_fork() -> None:
    gate.close(FORK_TIMEOUT)
    for database in list(_all):
        database.before_fork()


def _begin_in_child() -> None:
    gate.begin_in_child()
    for database in list(_all):
        database.begin_in_child()


os.register_at_fork(before=_before_fork, after_in_parent=gate.open, after_in_child=_begin_in_child)
