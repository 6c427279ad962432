"""JSON bodies, strictly decoded and leniently encoded.

Pure. Decoding refuses what RFC 8259 leaves to the implementation and what hides mistakes: duplicate keys,
NaN, deep nesting. Encoding knows the values that models return, without importing numpy or torch.

Duplicate keys and nesting are checked here since msgspec checks neither
(https://github.com/msgspec/msgspec/issues/648), and the standard library's `json`, which can, decodes several
times slower.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Collection
from typing import Any

import msgspec

from aylien_model_serving.codecs import json_items, json_numbers, json_parts, json_pieces, json_values
from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.core.settings import Settings
from aylien_model_serving.errors import InvalidAnswer, MalformedBody, TooManyItems
from aylien_model_serving.process import native_threads

#: Containers within containers that a body may have.
MAX_DEPTH = 64

#: Arrays, objects and texts that a body may have by default.
MAX_ITEMS = Settings.max_json_items

#: Fields of a body: a call of the handler copies them, and lets no other thread run meanwhile.
MAX_FIELDS = 100_000

_decoder = msgspec.json.Decoder()
_scalars = frozenset({str, int, float, bool, type(None)})


def decode(
    body: bytes,
    content_type: str = "",
    max_items: int = MAX_ITEMS,
    *,
    numbers: bool = False,
    exact: Collection[str] = (),
) -> Fields:
    """Return the fields of a JSON object.

    Args:
        body: the text.
        content_type: not looked at.
        max_items: the arrays, objects and texts, keys included, that it may have.
        numbers: whether its numbers are limited too.
        exact: the fields whose numbers with a fraction are decimals, and no floats.

    Raises:
        TooManyItems: it has more of them, and nothing is decoded; or it has too many fields.
        MalformedBody: not UTF-8, not JSON, not an object, a key twice, or nested too deeply.
    """
    if len(body) > max_items:
        json_items.check(body, max_items, numbers=numbers)
    value = loads(body, json_numbers.EXACT if exact else None)
    if type(value) is not dict:
        raise MalformedBody(f"The body has to be a JSON object, not {_json_name(value)}")
    if len(value) > MAX_FIELDS:
        raise TooManyItems(f"The body has more than {MAX_FIELDS:,} fields, as many as are accepted")
    if exact:
        value = {
            name: item if name in exact else json_numbers.with_floats(item) for name, item in value.items()
        }
    return Fields(value)


def loads(body: bytes, decoder: msgspec.json.Decoder[Any] | None = None) -> Any:
    """Return the value of a JSON text; see `decode` for what is refused.

    Args:
        body: the text.
        decoder: reads its numbers; None for one that makes floats.
    """
    if not body:
        raise MalformedBody("The body is empty: send a JSON object")
    body = body.removeprefix(codecs.BOM_UTF8)
    if len(body) < _LONG:
        return _loads(body, body, decoder=decoder)
    whole = json_pieces.Whole()
    for piece in json_pieces.pieces(body):
        whole.add(piece, _loads(piece.text, body, piece.shift, decoder))
        native_threads.yield_to_others()
    return whole.value


#: Bytes of a text from which on it is decoded in pieces.
_LONG = 2 * json_pieces.SIZE


def _loads(text: bytes, body: bytes, shift: int = 0, decoder: msgspec.json.Decoder[Any] | None = None) -> Any:
    """Return the value of a text; `shift` leads from its places to those in the body that it is of."""
    try:
        if decoder is None:
            is_short = len(text) < json_numbers.MIN_BYTES
            decoder = _decoder if is_short else json_numbers.decoder_for(text, _decoder)
        value = decoder.decode(text)
        if not _round_trips(text, value):
            _check_shape(text, value)
    except RecursionError:
        raise MalformedBody(_TOO_DEEP) from None
    except UnicodeDecodeError as error:
        raise MalformedBody(f"The body is not UTF-8: {error.reason}") from None
    except msgspec.MsgspecError as error:
        problem = _client_message(_shifted(str(error), shift), body)
        raise MalformedBody(f"The body is not valid JSON: {problem}") from None
    return value


def _shifted(message: str, shift: int) -> str:
    """Return what is wrong with a piece of a body as if the decoder had seen all of it."""
    if not shift:
        return message
    place = _PLACE.sub(lambda found: f"(byte {int(found[1]) + shift})", message)
    return place.partition(" - at `")[0]  # which is a path within the piece


_PLACE = re.compile(r"\(byte (\d+)\)")


#: An escape sequence: a surrogate pair, a surrogate without its other half, or any other.
_ESCAPE = re.compile(
    rb"""\\(?: u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}
        | (?P<lone> u[dD][89a-fA-F][0-9a-fA-F]{2} ) | . )""",
    re.VERBOSE | re.DOTALL,
)

#: The first bytes of what gzip makes (RFC 1952, section 2.3.1).
_GZIP = b"\x1f\x8b"

_TOO_DEEP = f"The body is nested more than {MAX_DEPTH} levels deep"


def _client_message(message: str, body: bytes) -> str:
    """Return what is wrong with a text; where a surrogate stands alone, the decoder may call it truncated."""
    if "truncated" in message or "surrogate" in message:
        lone = next((found for found in _ESCAPE.finditer(body) if found["lone"]), None)
        if lone is not None:
            return f"\\{lone['lone'].decode()} is a lone surrogate, half a character (byte {lone.start()})"
    if body.startswith(_GZIP):
        return "it is compressed: say so by the header Content-Encoding: gzip"
    return message.removeprefix("JSON is malformed: ").replace("Input data was", "it is")


#: Bytes of a body up to which encoding its value again is quicker than walking through it.
_MAX_ROUND_TRIP_BYTES = 4096


def _round_trips(body: bytes, value: object) -> bool:
    """Return whether a value, encoded again, is the text it came from: then no key of it was dropped.

    Most clients write JSON either compactly or with the spaces of Python's `json.dumps`.
    """
    if len(body) > _MAX_ROUND_TRIP_BYTES or body.count(b"{") + body.count(b"[") > MAX_DEPTH:
        return False
    encoded = _encoder.encode(value)
    return encoded == body or msgspec.json.format(encoded, indent=0) == body


def _check_shape(body: bytes, value: object) -> None:
    """Refuse duplicate keys and deep nesting.

    The decoder keeps the last of two equal keys, so the keys that are left are counted against the colons of
    the text. A walk stops as soon as every bracket of the text is found again: a large array costs nothing.
    """
    colons, brackets = body.count(b":"), body.count(b"{") + body.count(b"[")
    if b"\\" in body and b"\\u003" in body:  # the first search takes a thirtieth of the second one's time
        colons = -1
    level: list[object] = [value] if type(value) is dict or type(value) is list else []
    depth = 0
    while level and brackets > 0:
        depth += 1
        if depth > MAX_DEPTH:
            raise MalformedBody(_TOO_DEEP)
        if brackets == len(level) and colons == _keys(level):
            return
        below: list[object] = []
        for container in level:
            brackets -= 1
            if type(container) is dict:
                colons -= len(container)
                for key, item in container.items():
                    if ":" in key:
                        colons -= key.count(":")
                    if type(item) is str:
                        if ":" in item:
                            colons -= item.count(":")
                    elif type(item) is dict or type(item) is list:
                        below.append(item)
            elif brackets > 0 or colons:
                colons -= _collect_containers(container, below)
        level = below
    if colons:
        _refuse_duplicates(body)


def _keys(containers: list[object]) -> int:
    return sum(len(container) for container in containers if type(container) is dict)


def _collect_containers(items: object, below: list[object]) -> int:
    """Add the containers among the items to those below, and return how many colons the strings hold."""
    assert isinstance(items, list)
    if not items:
        return 0
    first = type(items[0])
    if first in _NUMBERS and set(map(type, items)) <= _NUMBERS:
        return 0
    if first in _CONTAINERS and (len(items) == 1 or set(map(type, items)) <= _CONTAINERS):
        below += items
        return 0
    below += [item for item in items if type(item) is dict or type(item) is list]
    return sum(item.count(":") for item in items if type(item) is str)


_NUMBERS = frozenset({int, float, bool, type(None)})
_CONTAINERS = frozenset({dict, list})


def _refuse_duplicates(body: bytes) -> None:
    """Decode the text once more, pair by pair: exact, and several times slower than the count."""
    json.loads(body, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise json_pieces.given_twice(name)
            seen.add(name)
    return found


def _json_name(value: object) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def encode(result: object) -> bytes:
    """Return a handler's result as JSON; NaN and infinities become null.

    Raises:
        InvalidAnswer: the result holds something that JSON can't express.
    """
    try:
        return _encoder.encode(result)
    except InvalidAnswer:
        raise
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise InvalidAnswer(f"{json_values.NO_JSON} {error}") from error


def encode_in_parts(result: object) -> bytes:
    """Return the same, made part by part: between them others may run."""
    written = []
    for part in json_parts.parts(result, encode):
        written.append(part)
        native_threads.yield_to_others()
    return b"".join(written)


def with_lists(result: object) -> object:
    """Return a dict whose arrays, of numpy or torch, are lists; any other result as it is."""
    if type(result) is not dict or not any(hasattr(value, "tolist") for value in result.values()):
        return result
    return {
        name: json_values.to_list(value) if hasattr(value, "tolist") else value
        for name, value in result.items()
    }


def as_received(result: object) -> Any:
    """Return a handler's result as a client's JSON parser will see it."""
    return decoded(encode(result))


def decoded(text: bytes) -> Any:
    """Return the value of a JSON text that was written here."""
    return _decoder.decode(text)


def encodable(value: Any) -> Any:
    """Return a value with a "?" for each lone surrogate of its texts, which UTF-8 can't express."""
    if type(value) is str:
        return value if value.isascii() else value.encode(errors="replace").decode()
    if type(value) is dict:
        return {encodable(name): encodable(item) for name, item in value.items()}
    return [encodable(item) for item in value] if isinstance(value, (list, tuple)) else value


_encoder = msgspec.json.Encoder(enc_hook=json_values.plain)
