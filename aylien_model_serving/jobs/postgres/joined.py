"""Statements that do what would be several: each is one round trip, and writes one version of a row."""

from __future__ import annotations

from collections.abc import Collection

from aylien_model_serving.jobs import rows
from aylien_model_serving.jobs.postgres.schema import JOBS, PARTS

#: The column that tells one version of a row from the next: the transaction that wrote it.
VERSION = "xmin::text"

_NEW = ", ".join((*rows.COLUMNS[1:], "size"))
_PLACES = ", ".join(["%s"] * len(rows.COLUMNS))

#: Adds a job with the first part of its call, unless its queue is full. Without the lock of the queue others
#: may fill it meanwhile, at most as many as can connect.
ADD = (
    f"WITH queued AS (SELECT 1 FROM {JOBS} WHERE service = %s AND route = %s AND status = 'queued' LIMIT %s),"
    f" new AS (INSERT INTO {JOBS} ({_NEW}) SELECT {_PLACES} WHERE (SELECT count(*) FROM queued)"
    " + CASE WHEN %s THEN 0 ELSE current_setting('max_connections')::int END < %s RETURNING number),"
    f" call AS (INSERT INTO {PARTS} SELECT number, 'call', 0, 0, %s FROM new)"
    " SELECT number FROM new"
)

_READY = "service = %s AND route = %s AND status = 'queued' AND not_before IS NULL"

#: Finds the next job of a route, with the first part of its call; a lock may follow.
NEXT_READY = (
    f"SELECT {', '.join(rows.COLUMNS)}, {VERSION}, (SELECT body FROM {PARTS} AS parts"
    f" WHERE parts.number = {JOBS}.number AND kind = 'call' AND position = 0 AND part = 0)"
    f" FROM {JOBS} WHERE {_READY} ORDER BY priority DESC, number LIMIT 1"
)

#: Finds what the first job of a route is ordered by.
HEAD = f"SELECT -priority, number FROM {JOBS} WHERE {_READY} ORDER BY priority DESC, number LIMIT 1"


#: Finds the job of a number and holds it; the second one only if it is of a version, and nobody holds it.
_HELD = f"SELECT number FROM {JOBS} WHERE number = %s FOR UPDATE"
_HELD_VERSION = f"SELECT number FROM {JOBS} WHERE number = %s AND xmin = %s::text::xid FOR UPDATE SKIP LOCKED"


def change(columns: Collection[str], *, lasting: bool) -> str:
    """Return what replaces columns of a job that is of a version, and returns its number, if it is.

    Its values are the job's number, its version, and those of the columns.
    """
    replaced = ", ".join(f"{column} = %s" for column in columns)
    unless_lasting = "" if lasting else " AND set_config('synchronous_commit', 'off', true) = 'off'"
    return (
        f"WITH held AS ({_HELD_VERSION}) UPDATE {JOBS} AS job SET {replaced}"
        f" FROM held WHERE job.number = held.number{unless_lasting} RETURNING job.number"
    )


def end(columns: Collection[str], *, with_reply: bool, of_version: bool) -> str:
    """Return what replaces columns of a job, and its call by the first part of its reply, if there is one.

    Its values are the job's number, and its version if it has to be of one; with a reply its part; those of
    the columns; and the bytes of the part, or 0. It returns the number of the job that was replaced.
    """
    reply = (
        f", reply AS (INSERT INTO {PARTS} SELECT number, 'reply', 0, 0, %s FROM held)" if with_reply else ""
    )
    replaced = "".join(f"{column} = %s, " for column in columns)
    return (
        f"WITH held AS ({_HELD_VERSION if of_version else _HELD}),"
        f" call AS (DELETE FROM {PARTS} AS parts USING held"
        " WHERE parts.number = held.number AND kind = 'call' RETURNING length(body) AS bytes)"
        f"{reply} UPDATE {JOBS} AS job SET {replaced}"
        "size = size + %s - (SELECT coalesce(sum(bytes), 0) FROM call)"
        " FROM held WHERE job.number = held.number RETURNING job.number"
    )
