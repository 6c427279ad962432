"""Arrays of numpy in numpy's own format, `.npy`: one array as a body, and as a response.

Nothing is unpickled, and nothing is evaluated but the literals of a header that is at most 64 KiB long.
Written here since `numpy.load` allocates what a header declares before it looks for the data.
(https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html)
"""

from __future__ import annotations

import ast
import io
import math
import re
import struct
import sys
from typing import Any

from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.errors import InvalidAnswer, MalformedBody

MEDIA_TYPE = "application/x-npy"

_MAGIC = b"\x93NUMPY"

#: The form of the header's length, by the major version of the format.
_LENGTHS = {1: "<H", 2: "<I", 3: "<I"}

_MAX_HEADER_BYTES = 64 * 1024

#: Dimensions that numpy allows, and bytes that no memory has.
_MAX_DIMENSIONS, _MAX_BYTES = 64, 2**62

#: Kinds of dtypes of numbers, which are as long as their data.
_KINDS = "biufc"

#: How numpy writes such a dtype. It reads many more texts as one, some of them as Python, and raises whatever
#: that raises.
_DTYPE = re.compile(r"[<>=|]?(\?|[biufc]\d{1,2})")


def decode(body: bytes, content_type: str, *, name: str) -> Fields:
    """Return the array of a body, which is writable and the handler's own.

    Args:
        body: the bytes.
        content_type: not looked at.
        name: of the parameter.

    Raises:
        MalformedBody: it is no array of numbers in this format.
    """
    return Fields({name: _loads(body)}, bound=True)


def _loads(body: bytes) -> Any:
    numpy = sys.modules["numpy"]
    header, data = _header_of(body)
    dtype = _dtype_of(header["descr"])
    shape, is_fortran = header["shape"], header["fortran_order"]
    if type(is_fortran) is not bool or not _is_shape(shape):
        raise _malformed("its header has no shape")
    declared = math.prod(shape) * dtype.itemsize
    if declared != len(data):
        shown = str(declared) if declared < _MAX_BYTES else "more"
        raise _malformed(f"its header declares {shown} bytes of data, and it has {len(data)}")
    try:
        array = numpy.frombuffer(data, dtype).reshape(shape, order="F" if is_fortran else "C")
    except ValueError:  # the sizes beside one of 0 are too large together
        raise _malformed("its header declares more than an array can have") from None
    return array.astype(dtype.newbyteorder("="), order="C", copy=True)


def _header_of(body: bytes) -> tuple[dict[str, Any], memoryview]:
    """Return the header, and the data behind it."""
    form = _LENGTHS.get(body[6]) if body.startswith(_MAGIC) and len(body) > len(_MAGIC) else None
    if form is None:
        raise _malformed("it does not begin as one")
    try:
        [length] = struct.unpack_from(form, body, 8)
    except struct.error:
        raise _malformed("it ends within its header") from None
    start = 8 + struct.calcsize(form)
    if length > _MAX_HEADER_BYTES or start + length > len(body):
        raise _malformed("its header is too long")
    try:
        header = ast.literal_eval(body[start : start + length].decode("latin-1").strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        raise _malformed("its header is no literal") from None
    if type(header) is not dict or header.keys() != {"descr", "fortran_order", "shape"}:
        raise _malformed("its header lacks descr, fortran_order or shape")
    return header, memoryview(body)[start + length :]


def _dtype_of(described: Any) -> Any:
    is_one = type(described) is str and _DTYPE.fullmatch(described) is not None
    try:
        dtype = sys.modules["numpy"].dtype(described) if is_one else None
    except TypeError:
        dtype = None
    if dtype is None or dtype.kind not in _KINDS:
        raise _malformed("its items are no numbers: objects and records are not read")
    return dtype


def _is_shape(shape: Any) -> bool:
    return (
        type(shape) is tuple
        and len(shape) <= _MAX_DIMENSIONS
        and all(type(size) is int and 0 <= size < _MAX_BYTES for size in shape)
    )


def _malformed(problem: str) -> MalformedBody:
    return MalformedBody(f"The body is no array in the format .npy: {problem}")


def _of_cpu(tensor: Any) -> Any:
    """Return a tensor whose memory numpy can read, of a dtype that numpy has."""
    own = tensor.detach().cpu().resolve_conj()
    return own.float() if own.dtype.is_floating_point and own.dtype.itemsize < _FLOAT_BYTES else own


#: Bytes of the smallest floats that numpy and torch both have in one form.
_FLOAT_BYTES = 4


def encode(result: object) -> bytes:
    """Return an array as a body.

    Raises:
        InvalidAnswer: the result is no array of numbers.
    """
    numpy = sys.modules["numpy"]
    if hasattr(result, "detach"):  # a tensor of torch
        result = _of_cpu(result)
    array = numpy.asarray(result) if hasattr(result, "__array__") else None
    if isinstance(result, numpy.ma.MaskedArray):
        raise InvalidAnswer("The answer is a masked array, and .npy has no mask: fill it")
    if array is None or array.dtype.kind not in _KINDS:
        raise InvalidAnswer(f"The answer is no array of numbers, but a {type(result).__name__}")
    written = io.BytesIO()
    numpy.lib.format.write_array(written, array, allow_pickle=False)
    return written.getvalue()
