"""Python values ↔ bytes, between the processes of one service: arguments and results of hosted models.

Pure, and no pickle: what can be sent is listed in `encode`. Arrays, tensors and pictures
stand beside the rest as they are in memory, so that a vectored write sends them without a copy:

    number of buffers, length of each (64 bits, little-endian) · MessagePack · buffers, aligned to 64 bytes

The first entry is the length of the MessagePack, in which an extension stands for what a buffer holds.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any

import msgspec

from aylien_model_serving.core.messages import Buffer
from aylien_model_serving.rpc.headers import WireError

#: Bytes at whose multiples buffers begin: a cache line, and as much as any vector instruction wants.
_ALIGNMENT = 64

_COUNT = struct.Struct("<I")

#: Modes of pictures whose pixels are all that there is to them; others are made RGBA.
_MODES = frozenset({"1", "L", "LA", "I", "F", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I;16"})


#: Codes of the extensions.
_ARRAY, _TENSOR, _PICTURE, _STREAM = 1, 2, 3, 4

#: The number of a stream.
_NUMBER = struct.Struct("<Q")


class _Large(msgspec.Struct, array_like=True):
    """What an extension says of its buffer.

    Args:
        buffer: its position among the buffers.
        type: the dtype of an array or a tensor, the mode of a picture.
        shape: of an array or a tensor; width and height of a picture.
    """

    buffer: int
    type: str = ""
    shape: tuple[int, ...] = ()


_LARGE_DECODER = msgspec.msgpack.Decoder(_Large)


def encode(value: Any) -> list[Buffer]:
    """Return a value as buffers for one vectored write.

    Numbers, switches, texts, bytes, None, lists and dicts arrive as what they are, and so do arrays of numpy,
    tensors of torch (on the CPU) and pictures of Pillow. Tuples and sets arrive as lists, dataclasses and
    models of pydantic as dicts, dates, decimals and UUIDs as texts, unless a hint says what to make of them.

    Raises:
        TypeError: it holds something else; the message names its type.
        OverflowError: an integer has more than 64 bits.
    """
    large: list[Buffer] = []
    plain = msgspec.msgpack.encode(value, enc_hook=lambda other: _extension(other, large))
    lengths = [len(plain), *map(len, large)]
    head = _COUNT.pack(len(large)) + struct.pack(f"<{len(lengths)}Q", *lengths)
    if not large:
        return [head + plain]
    buffers: list[Buffer] = [_padded(head + plain)]
    for buffer in large:
        buffers.append(buffer)
        if len(buffer) % _ALIGNMENT:
            buffers.append(bytes(-len(buffer) % _ALIGNMENT))
    return buffers


def _padded(head: bytes) -> bytes:
    return head + bytes(-len(head) % _ALIGNMENT)


def reference(number: int) -> msgspec.msgpack.Ext:
    """Return what stands in a value for a stream, whose items are sent by themselves."""
    return msgspec.msgpack.Ext(_STREAM, _NUMBER.pack(number))


def _no_stream(number: int) -> Any:
    raise WireError(f"There is no stream {number} in a result")


def decode(body: Buffer, open_stream: Callable[[int], Any] = _no_stream) -> Any:
    """Return the value of what `encode` made; its arrays can be written to.

    Args:
        body: the bytes.
        open_stream: returns the items of a stream by its number.

    Raises:
        WireError: the bytes are no value.
    """
    view = memoryview(body)
    try:
        (count,) = _COUNT.unpack_from(view)
        lengths = struct.unpack_from(f"<{count + 1}Q", view, _COUNT.size)
    except struct.error as error:
        raise WireError(f"{len(view)} bytes are no value: {error}") from error
    start = _COUNT.size + 8 * len(lengths)
    plain = view[start : start + lengths[0]]
    if count and view.readonly:
        view = BytesIO(body).getbuffer()
    buffers, at = [], _aligned(start + lengths[0])
    for length in lengths[1:]:
        buffers.append(view[at : at + length])
        at = _aligned(at + length)
    if at > _aligned(len(view)):
        raise WireError(f"{len(view)} bytes are the beginning of a value of {at}")
    try:
        return msgspec.msgpack.decode(
            plain, ext_hook=lambda code, data: _from_extension(code, data, buffers, open_stream)
        )
    except (msgspec.DecodeError, ValueError, IndexError, TypeError) as error:
        raise WireError(f"{len(view)} bytes are no value: {error}") from error


def _aligned(at: int) -> int:
    return at + -at % _ALIGNMENT


def _extension(value: Any, large: list[Buffer]) -> Any:
    """Return what stands for a value that MessagePack does not have, whose buffer is added to the others."""
    for module, name, to_large in _LARGE_TYPES:
        loaded = sys.modules.get(module)
        if loaded is not None and isinstance(value, getattr(loaded, name)):
            return to_large(value, large)
    dump = getattr(type(value), "model_dump", None)
    if dump is not None:
        return dump(value)
    raise TypeError(
        f"{type(value).__module__}.{type(value).__qualname__} can't be sent to another process: numbers, "
        "texts, bytes, lists, dicts, arrays, tensors, pictures, dataclasses and models of pydantic can"
    )


def _add(code: int, buffer: Buffer, large: list[Buffer], type_: str = "", shape: Sequence[int] = ()) -> Any:
    large.append(buffer)
    described = _Large(len(large) - 1, type_, tuple(shape))
    return msgspec.msgpack.Ext(code, msgspec.msgpack.encode(described))


def _array(value: Any, large: list[Buffer]) -> Any:
    numpy = sys.modules["numpy"]
    if value.dtype.hasobject or value.dtype.names is not None:
        raise TypeError(
            f"an array of {value.dtype} can't be sent to another process: it holds objects or records"
        )
    if isinstance(value, numpy.ma.MaskedArray):
        raise TypeError("a masked array can't be sent to another process, which has no mask: fill it")
    contiguous = numpy.ascontiguousarray(value)
    return _add(_ARRAY, _bytes_of(contiguous), large, contiguous.dtype.str, value.shape)


def _bytes_of(contiguous: Any) -> Buffer:
    """Return the memory of an array, also of dates, of which there is no buffer."""
    return memoryview(contiguous.reshape(-1).view("u1")) if contiguous.size else b""


def _number(value: Any, large: list[Buffer]) -> Any:
    return value.item()


def _tensor(value: Any, large: list[Buffer]) -> Any:
    torch = sys.modules["torch"]
    plain = value.detach().resolve_conj().resolve_neg().cpu().contiguous()
    memory = memoryview(plain.reshape(-1).view(torch.uint8).numpy()) if plain.numel() else b""
    return _add(_TENSOR, memory, large, str(plain.dtype).removeprefix("torch."), plain.shape)


def _picture(value: Any, large: list[Buffer]) -> Any:
    plain = value if value.mode in _MODES else value.convert("RGBA")
    return _add(_PICTURE, plain.tobytes(), large, plain.mode, plain.size)


#: Module and name of each class that has an extension, and what makes it; without its module there is none.
_LARGE_TYPES: tuple[tuple[str, str, Callable[[Any, list[Buffer]], Any]], ...] = (
    ("numpy", "ndarray", _array),
    ("numpy", "generic", _number),
    ("torch", "Tensor", _tensor),
    ("PIL.Image", "Image", _picture),
)


def _from_extension(
    code: int, data: memoryview, buffers: Sequence[memoryview], open_stream: Callable[[int], Any]
) -> Any:
    if code == _STREAM:
        return open_stream(*_NUMBER.unpack(data))
    described: _Large = _LARGE_DECODER.decode(data)
    buffer = buffers[described.buffer]
    if code == _ARRAY:
        import numpy as np

        return np.frombuffer(buffer, np.dtype(described.type)).reshape(described.shape)
    if code == _TENSOR:
        return _read_tensor(described, buffer)
    if code == _PICTURE:
        from PIL import Image

        return Image.frombytes(described.type, described.shape, bytes(buffer))  # type: ignore[arg-type]
    raise WireError(f"There is no value of type {code}")


def _read_tensor(described: _Large, buffer: memoryview) -> Any:
    import torch

    dtype = getattr(torch, described.type)
    if not buffer:
        return torch.empty(described.shape, dtype=dtype)
    return torch.frombuffer(buffer, dtype=dtype).reshape(described.shape)
