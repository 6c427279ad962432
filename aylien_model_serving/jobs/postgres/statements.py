"""Statements on a connection, with texts that PostgreSQL does not keep: a handler may say a NUL."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import Connection, Cursor

#: A statement, and its values.
Statement = tuple[Any, ...]

_ESCAPED = re.compile(r"\\([0\\])")


class Statements:
    """Runs statements whose values may be any text.

    Args:
        db: runs them.
    """

    __slots__ = ("_db",)

    def __init__(self, db: Connection[Any]) -> None:
        self._db = db

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows that a statement finds or changes."""
        return read(self._execute(statement, values, binary=True))

    def do(self, statement: str, *values: object) -> None:
        """Run a statement whose rows are not needed: within a transaction it is not waited for."""
        self._execute(statement, values)

    def together(self, *steps: Statement, is_whole: bool) -> list[tuple[Any, ...]]:
        """Run statements, and return the rows of the last.

        Args:
            is_whole: whether they are a transaction by themselves, unless one has begun.
        """
        *before, (last, *values) = steps
        for statement, *of_statement in before:
            self.do(statement, *of_statement)
        return self.rows(last, *values)

    def afterwards(self, statement: str, *values: object) -> None:
        """Run a statement once what is done here is kept, which its failure does not change."""
        self._execute(statement, values)

    def _execute(self, statement: str, values: Sequence[object], *, binary: bool = False) -> Cursor[Any]:
        return self._db.execute(statement, [_stored(value) for value in values], binary=binary)


def read(cursor: Cursor[Any]) -> list[tuple[Any, ...]]:
    """Return all rows of a cursor."""
    return [tuple(map(_read, row)) for row in cursor.fetchall()]


def _stored(value: object) -> object:
    if isinstance(value, list):
        return [_stored(item) for item in value]
    if isinstance(value, str) and ("\\" in value or "\0" in value):
        return value.replace("\\", "\\\\").replace("\0", "\\0")
    return value


def _read(value: Any) -> Any:
    """Return the value that `_stored` was given."""
    if isinstance(value, str) and "\\" in value:
        return _ESCAPED.sub(lambda found: "\0" if found[1] == "0" else "\\", value)
    return value
