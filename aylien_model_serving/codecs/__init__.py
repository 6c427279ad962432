"""Codecs of media types: request bodies → fields, results → response bodies.

Pure. A decoder turns a body into `Fields`, an encoder a handler's result into bytes. To add a media
type, write its module here and register it in a table.

Accept is parsed here since `werkzeug.http.parse_accept_header` and its `best_match` take four times as long,
which every call that names several media types would pay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from aylien_model_serving.codecs import forms, json
from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.core.messages import Call, Reply
from aylien_model_serving.errors import MalformedBody, UnsupportedMediaType

Decode = Callable[[bytes, str], Fields]


class Encoder(NamedTuple):
    """How a result becomes a body.

    Args:
        media_type: the value of Content-Type.
        encode: raises `InvalidAnswer` for what it can't express.
    """

    media_type: str
    encode: Callable[[Any], bytes]

    def reply(self, result: Any) -> Reply:
        """Return the response to a result."""
        return Reply(200, self.encode(result), self.media_type)

    def in_parts(self) -> Encoder:
        """Return the encoder for calls that may have a large result, which lets others run meanwhile."""
        return _JSON_IN_PARTS if self is JSON else self


JSON = Encoder("application/json", json.encode)
_JSON_IN_PARTS = Encoder("application/json", json.encode_in_parts)


def decoders_of(max_items: int, *, numbers: bool = False) -> Mapping[str, Decode]:
    """Return the decoders of every route by media type; a body of any other type is tried as JSON.

    Args:
        max_items: see `json.decode`.
        numbers: likewise.
    """
    decode_json = partial(json.decode, max_items=max_items, numbers=numbers)
    return {
        "": decode_json,
        "application/json": decode_json,
        "application/x-www-form-urlencoded": partial(
            forms.decode_urlencoded, max_items=max_items, numbers=numbers
        ),
        "multipart/form-data": forms.decode_multipart,
    }


#: Those of a route without a limit of its own.
DECODERS = decoders_of(json.MAX_ITEMS)

#: Methods whose fields come from the query string.
QUERY_METHODS = frozenset({"GET", "HEAD", "DELETE"})


def decode(call: Call, decoders: Mapping[str, Decode]) -> Fields:
    """Return the fields that a call carries in its body or query string.

    Raises:
        MalformedBody: the body is not what its media type promises.
        UnsupportedMediaType: no decoder knows the media type or the content coding.
    """
    headers = call.headers
    coding = headers.get("content-encoding")
    if coding and coding.strip().lower() not in ("", "identity"):
        raise UnsupportedMediaType("Compressed bodies are not accepted: send it without Content-Encoding")
    if call.method in QUERY_METHODS and not call.body:
        return forms.decode_query(call.query)
    if call.path_values and not call.body:
        return Fields({})  # the path may say all there is to say
    content_type = headers.get("content-type", "")
    known = decoders.get(content_type) or decoders.get(content_type.partition(";")[0].strip().lower())
    if known is not None:
        return known(call.body, content_type)
    return _decode_undeclared(call.body, content_type, decoders[""])


def _decode_undeclared(body: bytes, content_type: str, decode_json: Decode) -> Fields:
    """Decode JSON whatever its Content-Type says: clients rely on it."""
    try:
        return decode_json(body, content_type)
    except MalformedBody:
        if "json" in content_type.lower():
            raise
        raise UnsupportedMediaType(
            f"Bodies of type {content_type[:80]!r} are not understood here: send JSON"
        ) from None


def choose_encoder(accept: str, encoders: tuple[Encoder, ...]) -> Encoder:
    """Return the encoder that an Accept header prefers, the first one where it names none of them.

    The weights are those of RFC 9110, section 12.5.1: the most specific range that names a media type counts.
    The order of the header breaks a tie.
    """
    if len(encoders) == 1 or accept in _ANYTHING:
        return encoders[0]
    ranges = media_ranges(accept)
    return max(encoders, key=lambda encoder: preference(encoder.media_type, ranges))


#: Accept headers that most clients send, which are not parsed.
_ANYTHING = frozenset({"", "*/*", "application/json"})


def preference(media_type: str, ranges: dict[str, tuple[float, int]]) -> tuple[float, int]:
    """Return weight and negative position of the most specific range that names a media type."""
    kind = media_type.partition("/")[0]
    named = (ranges[known] for known in (media_type, f"{kind}/*", "*/*") if known in ranges)
    return next(named, (0.0, 0))


def preferred_media_types(accept: str) -> list[str]:
    """Return the media types of an Accept header, best first, without those of weight 0."""
    ranges = media_ranges(accept)
    return sorted((name for name in ranges if ranges[name][0] > 0), key=ranges.__getitem__, reverse=True)


def media_ranges(accept: str) -> dict[str, tuple[float, int]]:
    """Return weight and negative position of each media range of an Accept header."""
    ranges: dict[str, tuple[float, int]] = {}
    for position, item in enumerate(accept.split(",")[:32]):
        media_type, *parameters = (part.strip().lower() for part in item.split(";"))
        ranges.setdefault(media_type, (_weight(parameters), -position))
    return ranges


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0
