"""The decoder of a JSON text whose numbers msgspec would read slowly.

Pure. msgspec takes 7 µs for a number near the limits of doubles, such as 1e308, and a tenth of one for any
other: 100 kB of them would take 140 ms, in which no other thread runs. Python's own `float` reads them all in
the same time.
"""

from __future__ import annotations

import math
import re
from typing import Any

import msgspec

#: Bytes of a text up to which its numbers are read as they are, whatever they are.
MIN_BYTES = 16_384

#: Bytes of a value from which on it takes no longer than its length permits.
_LONG_VALUE = 32

#: Exponents of three digits, as those numbers have; two patterns, since each is searched by its first byte.
_EXPONENTS = (re.compile(rb"e[+-]?[0-9]{3}"), re.compile(rb"E[+-]?[0-9]{3}"))


def decoder_for(body: bytes, default: msgspec.json.Decoder[Any]) -> msgspec.json.Decoder[Any]:
    """Return the decoder that reads all numbers of a text in linear time.

    Args:
        body: the text, of `MIN_BYTES` or more.
        default: the decoder of all others.
    """
    if body.count(b",") * _LONG_VALUE < len(body) or not any(each.search(body) for each in _EXPONENTS):
        return default
    return _DECODER


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("Number out of range")
    return number


_DECODER = msgspec.json.Decoder(float_hook=_finite)
