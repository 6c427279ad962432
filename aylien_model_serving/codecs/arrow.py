"""Tables in Arrow's streaming format: a frame as a body, and as a response.

A stream is bounded before anything is made of it: compressed buffers, types that hold others and types of
extensions are refused, and so is a table of more memory than a decoded file may take.
(https://arrow.apache.org/docs/format/Columnar.html)
"""

from __future__ import annotations

import io
import struct
from importlib.util import find_spec
from typing import Any

from aylien_model_serving.codecs import frames
from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.core.settings import Settings
from aylien_model_serving.errors import InvalidAnswer, MalformedBody, TooManyItems

MEDIA_TYPE = "application/vnd.apache.arrow.stream"

#: Columns that a table may have.
_MAX_COLUMNS = 10_000

#: Bytes that a value takes once it is an object of Python, and those of a number.
_OBJECT_BYTES, _NUMBER_BYTES = 64, 8

#: Marks a field whose type is an extension's, known here or not.
_EXTENSION = b"ARROW:extension:name"


def is_installed() -> bool:
    """Return whether tables can be read and written here."""
    return find_spec("pyarrow") is not None


def decode(body: bytes, content_type: str, *, name: str) -> Fields:
    """Return the table of a body.

    Args:
        body: the bytes.
        content_type: not looked at.
        name: of the parameter.

    Raises:
        MalformedBody: it is no stream of Arrow's, or one with what is not read.
        TooManyItems: the table would take too much memory.
    """
    import pyarrow

    try:
        _check_messages(pyarrow, body)
        with pyarrow.ipc.open_stream(body) as reader:
            _check_schema(pyarrow, reader.schema)
            table = reader.read_all()
        table.validate(full=True)
    except (pyarrow.ArrowException, OSError, ValueError, struct.error) as error:
        raise MalformedBody(f"The body is no stream of Arrow: {str(error)[:200]}") from None
    return Fields({name: _Bounded(pyarrow, table.nbytes).table(table)}, bound=True)


def _check_messages(pyarrow: Any, body: bytes) -> None:
    """Refuse compressed buffers, and more rows than fit: a column of nulls takes no bytes of a body."""
    rows = 0
    for message in pyarrow.ipc.MessageReader.open_stream(body):
        metadata = message.metadata.to_pybytes()
        batch = _batch_of(metadata)
        if batch is None:
            continue
        if _field(metadata, batch, _COMPRESSION) is not None:
            raise MalformedBody("The stream of Arrow has compressed buffers: write it without compression")
        length = _field(metadata, batch, _LENGTH)
        rows += 0 if length is None else max(0, struct.unpack_from("<q", metadata, length)[0])
        if rows * _NUMBER_BYTES > _most_bytes():
            raise _too_large()


def _most_bytes() -> int:
    return Settings.load_public("max_decoded_mb").max_decoded_bytes


def _too_large() -> TooManyItems:
    most = _most_bytes() // 1024**2
    return TooManyItems(f"The table would take more than {most:,} MiB, as much as is accepted here")


#: Types of messages, and the place of what is looked for among the fields of a flat buffer's table
#: (https://github.com/apache/arrow/blob/main/format/Message.fbs).
_DICTIONARY, _BATCH = 2, 3
_HEADER_TYPE, _HEADER, _DATA, _LENGTH, _COMPRESSION = 1, 2, 1, 0, 3


def _batch_of(metadata: bytes) -> int | None:
    """Return the place of the record batch of a message, or None where it has none."""
    [root] = struct.unpack_from("<I", metadata)
    kind = _field(metadata, root, _HEADER_TYPE)
    header = _field(metadata, root, _HEADER)
    if kind is None or header is None or metadata[kind] not in (_DICTIONARY, _BATCH):
        return None
    batch = _followed(metadata, header)
    if metadata[kind] == _DICTIONARY:
        data = _field(metadata, batch, _DATA)
        return None if data is None else _followed(metadata, data)
    return batch


def _field(metadata: bytes, table: int, number: int) -> int | None:
    """Return the place of a table's field, or None where the table has none."""
    [back] = struct.unpack_from("<i", metadata, table)
    start = table - back
    [size] = struct.unpack_from("<H", metadata, start)
    if 4 + 2 * number >= size:
        return None
    [offset] = struct.unpack_from("<H", metadata, start + 4 + 2 * number)
    return table + offset if offset else None


def _followed(metadata: bytes, place: int) -> int:
    [offset] = struct.unpack_from("<I", metadata, place)
    return int(place + offset)


def _check_schema(pyarrow: Any, schema: Any) -> None:
    if len(schema) > _MAX_COLUMNS:
        raise TooManyItems(f"The table has more than {_MAX_COLUMNS:,} columns, as many as are accepted here")
    if len(set(schema.names)) < len(schema):
        raise MalformedBody("The table has two columns of one name")
    for field in schema:
        if not str(getattr(field.type, "tz", "")).isascii():
            raise MalformedBody(f"The column {field.name[:80]!r} is in a time zone that has no name")
        if _EXTENSION in (field.metadata or {}) or not _is_read(pyarrow.types, field.type):
            raise MalformedBody(
                f"The column {field.name[:80]!r} is of the type {str(field.type)[:80]}, which is not read "
                "here: send numbers, texts, bytes, booleans and points in time"
            )


def _is_read(types: Any, kind: Any) -> bool:
    if types.is_dictionary(kind):
        return types.is_integer(kind.index_type) is True and _is_text(types, kind.value_type)
    others = (types.is_date, types.is_time, types.is_decimal, types.is_null, types.is_binary_view)
    is_bytes = types.is_binary(kind) or types.is_large_binary(kind)
    return _is_number(types, kind) or _is_text(types, kind) or is_bytes or any(each(kind) for each in others)


def _is_text(types: Any, kind: Any) -> bool:
    return any(each(kind) for each in (types.is_string, types.is_large_string, types.is_string_view))


def _is_number(types: Any, kind: Any) -> bool:
    numbers = (types.is_integer, types.is_floating, types.is_boolean, types.is_timestamp, types.is_duration)
    return any(each(kind) for each in numbers)


class _Bounded:
    """Makes columns that stand for themselves of those that refer to the same bytes again and again.

    Args:
        size: bytes of the table as it was sent.
    """

    def __init__(self, pyarrow: Any, size: int) -> None:
        self._pyarrow = pyarrow
        self._left = _most_bytes()
        self._take(size)

    def table(self, table: Any) -> Any:
        """Return the table, if it takes no more memory than it may once it is a frame.

        Raises:
            TooManyItems: it would.
        """
        columns = [self._column(table.num_rows, column) for column in table.columns]
        return self._pyarrow.table(columns, names=table.column_names) if columns else table

    def _take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise _too_large()

    def _column(self, rows: int, column: Any) -> Any:
        types = self._pyarrow.types
        self._take(rows * (_NUMBER_BYTES if _is_number(types, column.type) else _OBJECT_BYTES))
        if types.is_dictionary(column.type):
            chunks = [self._categories(chunk) for chunk in column.chunks]
            return self._pyarrow.chunked_array(chunks) if chunks else column
        if not (types.is_string_view(column.type) or types.is_binary_view(column.type)):
            return column
        for chunk in column.chunks:
            self._take(_bytes_of_views(chunk))
        is_text = types.is_string_view(column.type)
        return self._without_views(column, is_text)

    def _without_views(self, values: Any, is_text: bool) -> Any:
        """Return texts or bytes one after the other.

        A cast would follow the views of missing values too, which nobody has validated: it crashes.
        """
        kind = self._pyarrow.large_string() if is_text else self._pyarrow.large_binary()
        return self._pyarrow.array(values.to_pylist(), kind)

    def _categories(self, chunk: Any) -> Any:
        """Return values that are named by their numbers; each may be named by every row."""
        from pyarrow import compute

        names = chunk.dictionary
        if self._pyarrow.types.is_string_view(names.type):
            self._take(_bytes_of_views(names))
            names = self._without_views(names, True)
        lengths = compute.take(compute.binary_length(names), chunk.indices)
        self._take(int(compute.sum(lengths).as_py() or 0))
        return self._pyarrow.DictionaryArray.from_arrays(chunk.indices, names)


def _bytes_of_views(chunk: Any) -> int:
    """Return the bytes of the texts that views lead to, each of which begins with its length."""
    if not len(chunk):
        return 0
    views = memoryview(chunk.buffers()[1]).cast("b")
    lengths = views[: len(views) // _VIEW_BYTES * _VIEW_BYTES].cast("i")
    start = _VIEW_INTEGERS * chunk.offset
    return sum(
        max(0, lengths[at]) for at in range(start, start + _VIEW_INTEGERS * len(chunk), _VIEW_INTEGERS)
    )


#: Integers of 32 bits that a view has, and its bytes.
_VIEW_INTEGERS, _VIEW_BYTES = 4, 16


def frame_of(table: Any, kind: Any) -> Any:
    """Return a table as a frame, or as the series that its only column is.

    Raises:
        ValueError: a series is wanted, and the table has not one column; or it has what no frame has, such
            as a year beyond those of Python.
    """
    if frames.is_series_type(kind) and table.num_columns != 1:
        raise ValueError(f"Expected a table of one column for a series, got {table.num_columns}")
    is_pandas = kind.__module__.partition(".")[0] == "pandas"
    try:
        frame = table.to_pandas(ignore_metadata=True) if is_pandas else _of_polars(table)
    except Exception as error:  # of pyarrow, pandas and decimal, which have no class in common
        raise ValueError(f"The table can't become a frame: {str(error)[:200]}") from None
    if not frames.is_series_type(kind):
        return frame
    return frame.iloc[:, 0] if is_pandas else frame.to_series()


def _of_polars(table: Any) -> Any:
    import polars

    try:
        return polars.from_arrow(table)
    except polars.exceptions.PanicException as error:  # none of Exception's, which ends threads
        raise ValueError(str(error)) from None


def is_table(value: Any) -> bool:
    """Return whether a value is what `decode` makes of a body."""
    return type(value).__module__.partition(".")[0] == "pyarrow"


def encode(result: Any) -> bytes:
    """Return a frame as a body; an index of pandas is none of its columns.

    Raises:
        InvalidAnswer: the result is no frame, or holds what a table can't.
    """
    import pyarrow

    try:
        if frames.is_of(result, "pandas"):
            frame = result.to_frame() if hasattr(result, "to_frame") else result
            table = pyarrow.Table.from_pandas(frame, preserve_index=False)
        elif frames.is_of(result, "polars"):
            frame = result.to_frame() if hasattr(result, "to_frame") else result
            table = frame.to_arrow()
        else:
            raise InvalidAnswer(f"The answer is no frame, but a {type(result).__name__}")
    except (pyarrow.ArrowException, ValueError, TypeError) as error:
        raise InvalidAnswer(f"The answer can't be written as a table of Arrow: {error}") from error
    written = io.BytesIO()
    with pyarrow.ipc.new_stream(written, table.schema) as writer:
        writer.write_table(table)
    return written.getvalue()
