"""Repeated numeric fields of protobuf ↔ numpy arrays, without a Python object for each number.

Pure. Does not import numpy: where there is an array, or a handler takes one, it has been imported.

Written here since protobuf's Python API has no bulk access to repeated fields, neither by the buffer protocol
nor by `__array__` (https://github.com/protocolbuffers/protobuf/issues/10930).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from aylien_model_serving.codecs import protobuf_wire

_DTYPES = {
    FieldDescriptor.TYPE_DOUBLE: "<f8",
    FieldDescriptor.TYPE_FLOAT: "<f4",
    FieldDescriptor.TYPE_INT32: "<i4",
    FieldDescriptor.TYPE_SINT32: "<i4",
    FieldDescriptor.TYPE_SFIXED32: "<i4",
    FieldDescriptor.TYPE_INT64: "<i8",
    FieldDescriptor.TYPE_SINT64: "<i8",
    FieldDescriptor.TYPE_SFIXED64: "<i8",
    FieldDescriptor.TYPE_UINT32: "<u4",
    FieldDescriptor.TYPE_FIXED32: "<u4",
    FieldDescriptor.TYPE_UINT64: "<u8",
    FieldDescriptor.TYPE_FIXED64: "<u8",
    FieldDescriptor.TYPE_BOOL: "?",
}

#: Types whose numbers have the same bytes on the wire as in memory.
_FIXED = frozenset(
    {
        FieldDescriptor.TYPE_DOUBLE,
        FieldDescriptor.TYPE_FLOAT,
        FieldDescriptor.TYPE_FIXED32,
        FieldDescriptor.TYPE_FIXED64,
        FieldDescriptor.TYPE_SFIXED32,
        FieldDescriptor.TYPE_SFIXED64,
    }
)

#: Kinds of arrays that a field takes, by its dtype. An integer on its way to a 32-bit float is rounded twice
#: by protobuf, and once by numpy.
_KINDS = {"<f8": "fiu", "<f4": "f", "<i4": "iu", "<i8": "iu", "<u4": "iu", "<u8": "iu", "?": "b"}

#: Bytes of the widest number that Python represents as numpy does.
_MAX_NUMBER_BYTES = 8

#: Records of a message up to which scanning them costs little compared to parsing it.
_MAX_RECORDS = 100


def dtype_of(field: FieldDescriptor | None) -> str | None:
    """Return the dtype of a field's numbers, or None if it holds none."""
    return None if field is None else _DTYPES.get(field.type)


def is_fixed(field: FieldDescriptor) -> bool:
    """Return whether a field is repeated, and its numbers have the same bytes on the wire as in memory."""
    return field.is_repeated and field.type in _FIXED


def extract_arrays(body: bytes, fields: Mapping[int, FieldDescriptor]) -> tuple[bytes, dict[str, Any]]:
    """Extract arrays from a message's bytes: return the remaining bytes, and the arrays by field name.

    Bytes that are not well-formed, or where one of the fields is empty, unpacked or in more than one piece,
    are returned unchanged: protobuf reports what is wrong, and joins the pieces.

    Args:
        body: the bytes; the arrays are views of them.
        fields: the fixed fields to extract, by number.
    """
    found: dict[int, protobuf_wire.WireRecord] = {}
    try:
        for record in protobuf_wire.iter_records(body, _MAX_RECORDS):
            field = fields.get(record.number)
            if field is not None:
                if record.number in found or not _is_whole(record, field):
                    return body, {}
                found[record.number] = record
    except ValueError:
        return body, {}
    arrays = {fields[number].name: _view(body, record, fields[number]) for number, record in found.items()}
    return protobuf_wire.remove_records(body, found.values()), arrays


def _is_whole(record: protobuf_wire.WireRecord, field: FieldDescriptor) -> bool:
    length = record.end - record.content
    return record.wire_type == protobuf_wire.LEN and length > 0 and length % _width(field) == 0


def _view(body: bytes, record: protobuf_wire.WireRecord, field: FieldDescriptor) -> Any:
    count = (record.end - record.content) // _width(field)
    return sys.modules["numpy"].frombuffer(body, _DTYPES[field.type], count, record.content)


def _width(field: FieldDescriptor) -> int:
    return int(_DTYPES[field.type][-1])


def array_fits(field: FieldDescriptor, value: Any) -> bool:
    """Return whether a value is an array of which numpy can prove that it fits a repeated field.

    False decides nothing: `ParseDict` accepts more, as whole numbers among the floats of an array.
    """
    numpy, dtype = sys.modules.get("numpy"), _DTYPES.get(field.type)
    if numpy is None or dtype is None or not field.is_repeated:
        return False
    if type(value) is not numpy.ndarray or value.ndim != 1:
        return False
    if value.dtype.kind not in _KINDS[dtype] or value.dtype.itemsize > _MAX_NUMBER_BYTES:
        return False
    return dtype == "?" or not value.size or _is_within(value, dtype)


def _is_within(array: Any, dtype: str) -> bool:
    """Return whether all numbers are within a dtype's limits; NaN, which is both min and max, is not."""
    numpy = sys.modules["numpy"]
    limits = numpy.finfo(dtype) if dtype[1] == "f" else numpy.iinfo(dtype)
    # Compared as Python numbers: numpy would round what it compares with a 32-bit float.
    low, high = numpy.array([limits.min, limits.max], dtype).tolist()
    return bool(low <= array.min().item() and array.max().item() <= high)


def encode_array(field: FieldDescriptor, array: Any) -> bytes:
    """Return the record of an array that fits a fixed field, to be appended to a message's bytes."""
    return protobuf_wire.encode_record(field.number, array.astype(_DTYPES[field.type], copy=False).tobytes())
