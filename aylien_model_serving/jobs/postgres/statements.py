"""Statements on a connection, with texts that PostgreSQL does not keep: a handler may say a NUL."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import Connection

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
        found = self._db.execute(statement, [_stored(value) for value in values], binary=True).fetchall()
        return [tuple(map(_read, row)) for row in found]

    def do(self, statement: str, *values: object) -> None:
        """Run a statement whose rows are not needed: within a transaction it is not waited for."""
        self._db.execute(statement, [_stored(value) for value in values])


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
