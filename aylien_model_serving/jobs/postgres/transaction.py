"""A transaction whose statements are sent together: over a network it is the round trips that take time.

It begins with its first statement, and ends with what follows the last one that is asked for rows. So one
that reads, decides and writes is two round trips, and one that is a single statement is one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any

from aylien_model_serving.jobs.postgres import statements
from aylien_model_serving.jobs.postgres.database_errors import is_of_connection
from aylien_model_serving.jobs.postgres.statements import Statement, Statements

if TYPE_CHECKING:
    from psycopg import Connection, Cursor


@contextmanager
def transaction(db: Connection[Any], *, lasting: bool) -> Iterator[Statements]:
    """Open a transaction; an exception leaves no trace of it.

    psycopg's own would read its state at both ends, and takes twice as long as the statements.

    Args:
        db: a connection on which each statement is a transaction otherwise.
        lasting: whether it has to outlive a crash of the database right after its end.
    """
    with ExitStack() as ending:
        opened = _Transaction(db, ending, lasting)
        yield opened
        opened.commit()
    opened.conclude()


class _Transaction(Statements):
    __slots__ = ("_afterwards", "_ending", "_has_begun", "_is_lasting")

    def __init__(self, db: Connection[Any], ending: ExitStack, lasting: bool) -> None:
        super().__init__(db)
        self._ending = ending
        self._is_lasting = lasting
        self._has_begun = False
        self._afterwards: list[Statement] = []

    def together(self, *steps: Statement, is_whole: bool) -> list[tuple[Any, ...]]:
        if self._has_begun or not self._is_lasting or not is_whole:
            return super().together(*steps, is_whole=is_whole)
        send = super()._execute
        # What is sent in one pipeline is one transaction.
        with self._db.pipeline() if len(steps) > 1 else nullcontext():
            *_, last = [send(step[0], step[1:], binary=True) for step in steps]
        return statements.read(last)

    def commit(self) -> None:
        """Keep what was done, once the pipeline ends."""
        if self._has_begun:
            self._db.execute("COMMIT")

    def afterwards(self, statement: str, *values: object) -> None:
        if (statement, *values) not in self._afterwards:
            self._afterwards.append((statement, *values))

    def conclude(self) -> None:
        """Run what comes afterwards, on a connection that is given up if that fails.

        Transactions with notifications end one after the other, each with the disk's delay, and others can't
        share it: so a notification is a transaction of its own, which waits for no disk.
        """
        import psycopg

        try:
            for statement, *values in self._afterwards:
                self._db.execute(statement, values)
        except psycopg.Error:
            self._db.close()

    def _execute(self, statement: str, values: Sequence[object], *, binary: bool = False) -> Cursor[Any]:
        if not self._has_begun:
            self._begin()
        return super()._execute(statement, values, binary=binary)

    def _begin(self) -> None:
        self._has_begun = True
        self._ending.push(self._roll_back)
        self._ending.enter_context(self._db.pipeline())
        self._db.execute("BEGIN")
        if not self._is_lasting:
            self._db.execute("SET LOCAL synchronous_commit = off")

    def _roll_back(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Undo what was done where there is an error, unless the connection is closed for it."""
        import psycopg

        if error is not None and not is_of_connection(error):
            with suppress(psycopg.Error):
                self._db.rollback()
