"""A job as a row of a table: a column for each field, the head of its reply in MessagePack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import astuple

from aylien_model_serving.jobs.job import JobRecord
from aylien_model_serving.rpc.headers import ReplyHeader

COLUMNS = JobRecord.__struct_fields__

_FLAGS = [COLUMNS.index(name) for name in ("cancel_requested", "overdue")]
_REPLY = COLUMNS.index("reply")

_ENCODER = msgspec.msgpack.Encoder()
_HEADER_DECODER = msgspec.msgpack.Decoder(ReplyHeader)


def from_job(job: JobRecord) -> tuple[Any, ...]:
    """Return a job as a row."""
    row = astuple(job)
    if job.reply is None:
        return row
    return (*row[:_REPLY], _ENCODER.encode(job.reply), *row[_REPLY + 1 :])


def to_job(row: Sequence[Any]) -> JobRecord:
    """Return the job of a row; a database without a type for bools gives numbers."""
    values = list(row)
    for flag in _FLAGS:
        values[flag] = bool(values[flag])
    if values[_REPLY] is not None:
        values[_REPLY] = _HEADER_DECODER.decode(values[_REPLY])
    return JobRecord(*values)


def changed(old: JobRecord, new: JobRecord) -> dict[str, Any]:
    """Return the values of the columns that differ, by their names."""
    pairs = zip(COLUMNS, from_job(old), from_job(new), strict=True)
    return {column: after for column, before, after in pairs if after != before}


def page(
    wanted: Mapping[str, object], limit: int, before: int | None, now: float, *, place: str
) -> tuple[Any, ...]:
    """Return what follows a SELECT of a page of jobs, and its values.

    Args:
        wanted: values of columns; None is any.
        limit, before, now: as `Repository.page` takes them.
        place: what stands for a value in a statement.
    """
    given = {column: value for column, value in wanted.items() if value is not None}
    conditions = [f"{column} = {place}" for column in given]
    conditions += [f"number < {place}"] * (before is not None)
    conditions += ["caller <> ''"] * bool(wanted["caller"])  # says that the callers' indexes have them all
    conditions.append(f"(expires_at IS NULL OR expires_at > {place} OR webhook_due IS NOT NULL)")
    values = [*given.values(), *([] if before is None else [before]), now, limit]
    return f"WHERE {' AND '.join(conditions)} ORDER BY number DESC LIMIT {place}", *values
