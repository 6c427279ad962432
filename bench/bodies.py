"""Request bodies, and what a correct response to each contains; no sockets, no processes."""

import json
import random
import struct
import zlib

SEED = 7
FLOATS = 55_000
IMAGE_SIDE_PIXELS = 1_000
DIGIT_SIDE_PIXELS = 8
GREY_LEVELS_OF_DIGIT = 17  # 0 to 16, as in the digits that come with scikit-learn
BOUNDARY = "bench-boundary-5f3c"

ECHO = {"text": "hello"}
ARTICLE = {
    "id": "a-17",
    "title": "On rivers",
    "body": "Water flows.",
    "enrichments": {"extracted": {"value": {"body": "Water flows."}}},
}
VERDICT = {"version": "0.0.1", "language": "en", "confidence": 0.71, "error": "Not an error"}


def compact(value: object) -> bytes:
    """JSON without spare white space, as fast clients send it."""
    return json.dumps(value, separators=(",", ":")).encode()


def floats() -> list[float]:
    """As many random doubles as fill about 1 MB of JSON."""
    source = random.Random(SEED)
    return [source.random() for _ in range(FLOATS)]


def packed_doubles(values: list[float]) -> bytes:
    """The doubles as one little-endian array of bytes."""
    return struct.pack(f"<{len(values)}d", *values)


def unpacked_doubles(data: bytes) -> list[float]:
    """The inverse of `packed_doubles`."""
    return list(struct.unpack(f"<{len(data) // 8}d", data))


def floats_message(values: list[float]) -> bytes:
    """The protobuf message `{repeated double values = 1}`, packed.

    Source: the protobuf encoding guide, "Packed Repeated Fields".
    """
    payload = packed_doubles(values)
    return b"\x0a" + _varint(len(payload)) + payload


def values_of_message(data: bytes) -> list[float]:
    """The doubles of a message in the form of `floats_message`."""
    end_of_length = 2
    while data[end_of_length - 1] & 0x80:
        end_of_length += 1
    return unpacked_doubles(data[end_of_length:])


def pixels() -> list[int]:
    """Random grey pixels in the size of a digit's image: they cost a network the same as a real one."""
    source = random.Random(SEED)
    return [source.randrange(GREY_LEVELS_OF_DIGIT) for _ in range(DIGIT_SIDE_PIXELS**2)]


def image() -> bytes:
    """A valid grey PNG of random pixels, about 1 MB because noise does not compress."""
    source = random.Random(SEED)
    side = IMAGE_SIDE_PIXELS
    rows = b"".join(b"\0" + source.randbytes(side) for _ in range(side))
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = (_chunk(b"IHDR", header), _chunk(b"IDAT", zlib.compress(rows, 0)), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def multipart(name: str, filename: str, media_type: str, content: bytes) -> bytes:
    """One file as a multipart/form-data body (RFC 7578)."""
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
        f"Content-Type: {media_type}\r\n\r\n"
    )
    return head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
