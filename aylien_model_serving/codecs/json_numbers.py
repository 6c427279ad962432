"""The decoders of JSON texts whose numbers msgspec would read slowly, or whose every digit counts.

Pure. msgspec takes 7 µs for a number near the limits of doubles, such as 1e308, and a tenth of one for any
other: 100 kB of them would take 140 ms, in which no other thread runs. Python's own `float` reads them all in
the same time.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal, InvalidOperation
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


def _exact(text: str) -> Decimal:
    _finite(text)  # or it is refused, as everywhere
    try:
        return Decimal(text)
    except InvalidOperation:  # a zero whose exponent has too many digits
        raise ValueError("Number out of range") from None


def with_floats(value: Any) -> Any:
    """Return a value of JSON with floats for its decimals."""
    if type(value) is Decimal:
        return float(value)
    if type(value) is list:
        return [with_floats(item) for item in value]
    return {name: with_floats(item) for name, item in value.items()} if type(value) is dict else value


_DECODER = msgspec.json.Decoder(float_hook=_finite)

#: Reads numbers with a fraction or an exponent as decimals, digit by digit.
EXACT = msgspec.json.Decoder(float_hook=_exact)
