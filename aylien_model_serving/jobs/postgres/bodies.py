"""The bodies of jobs in PostgreSQL: calls, results and items, in parts of a size that a message takes."""

from __future__ import annotations

from aylien_model_serving.jobs.job import JobRecord
from aylien_model_serving.jobs.postgres.schema import JOBS, PARTS
from aylien_model_serving.jobs.postgres.statements import Statements
from aylien_model_serving.jobs.postgres.stored_bytes import StoredBytes

#: Kinds of bodies.
CALL, REPLY, ITEM = "call", "reply", "item"

#: Bytes that count for a job itself, with its places in the indexes.
ROW = 2048

#: Bytes of a body that one row holds: neither side needs a larger piece of memory at once.
PART = 1024 * 1024


def parts(body: bytes) -> list[bytes]:
    """Return the parts of a body; one that is empty has one, too."""
    return [body[start : start + PART] for start in range(0, max(1, len(body)), PART)]


class Bodies:
    """Keeps bodies, and counts their bytes.

    Args:
        db: runs the statements.
        stored: is told what comes and goes.
    """

    __slots__ = ("_db", "_stored")

    def __init__(self, db: Statements, stored: StoredBytes) -> None:
        self._db = db
        self._stored = stored

    def get(self, job: JobRecord, kind: str) -> bytes | None:
        """Return the one body of a kind; None where there is none."""
        statement = f"SELECT body FROM {PARTS} WHERE number = %s AND kind = %s ORDER BY position, part"
        found = self._db.rows(statement, job.number, kind)
        return b"".join(body for (body,) in found) if found else None

    def items(self, job: JobRecord, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Return the items whose index is higher than `after`, in order."""
        statement = (
            f"SELECT position, string_agg(body, ''::bytea ORDER BY part) FROM {PARTS}"
            " WHERE number = %s AND kind = %s AND position > %s GROUP BY position ORDER BY position LIMIT %s"
        )
        return [(index, body) for index, body in self._db.rows(statement, job.number, ITEM, after, limit)]

    def put(self, job: JobRecord, kind: str, body: bytes, position: int = 0, *, first: int = 0) -> None:
        """Keep a body.

        Args:
            first: the number of the first part that is not kept yet.
        """
        pieces = parts(body)[first:]
        for part, piece in enumerate(pieces, first):
            statement = (
                f"WITH new AS (INSERT INTO {PARTS} VALUES (%s, %s, %s, %s, %s))"
                f" UPDATE {JOBS} SET size = size + %s WHERE number = %s"
            )
            values = (job.number, kind, position, part, piece, len(piece), job.number)
            self._db.do(statement, *values)
        self._stored.add(sum(map(len, pieces)))

    def drop(self, job: JobRecord, kind: str, position: int | None = None) -> None:
        """Forget the bodies of a kind, or the one of an index."""
        place, values = ("", ()) if position is None else (" AND position = %s", (position,))
        statement = (
            f"WITH gone AS (DELETE FROM {PARTS} WHERE number = %s AND kind = %s{place} RETURNING body)"
            f" UPDATE {JOBS} SET size = size - (SELECT coalesce(sum(length(body)), 0) FROM gone)"
            " WHERE number = %s AND EXISTS (SELECT FROM gone)"
        )
        self._db.do(statement, job.number, kind, *values, job.number)
