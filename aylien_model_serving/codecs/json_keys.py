"""The bytes that identify a value in a key.

Pure.
"""

from __future__ import annotations

from typing import Any

import msgspec

from aylien_model_serving.codecs.identities import identity


def encode_canonical(value: object) -> bytes:
    """Return the bytes that equal values share and no others, for keys.

    MessagePack distinguishes bytes from text, and NaN from null.
    """
    try:
        return _encoder.encode(value)
    except (OverflowError, TypeError):
        plain = msgspec.to_builtins(value, builtin_types=(bytes, bytearray), enc_hook=identity)
        return _encoder.encode(_expressible(plain))


_encoder = msgspec.msgpack.Encoder(enc_hook=identity, order="deterministic")

#: Marks what MessagePack can't express in any order: integers of more than 64 bits, and dicts whose keys are
#: no texts.
_INTEGER, _PAIRS = 1, 2


def _expressible(value: Any) -> Any:
    if isinstance(value, dict):
        pairs = {key: _expressible(item) for key, item in value.items()}
        return pairs if all(type(key) is str for key in pairs) else _of_pairs(pairs)
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_expressible(item) for item in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return msgspec.msgpack.Ext(_INTEGER, hex(value).encode())
    return value


def _of_pairs(pairs: dict[Any, Any]) -> msgspec.msgpack.Ext:
    in_order = sorted((_encoder.encode(_expressible(key)), item) for key, item in pairs.items())
    return msgspec.msgpack.Ext(_PAIRS, _encoder.encode(in_order))
