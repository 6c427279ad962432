"""A job as a row of a table: a column for each field, the head of its reply in MessagePack."""

from __future__ import annotations

from collections.abc import Sequence
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
