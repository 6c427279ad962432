"""Codecs of media types: request bodies → fields, results → response bodies.

Pure. A decoder turns a body into `Fields`, an encoder a handler's result into bytes. To add a media
type, write its module here and register it in a table.

Accept is parsed here since `werkzeug.http.parse_accept_header` and its `best_match` take four times as long,
which every call that names several media types would pay.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

from aylien_model_serving.codecs import body_values, forms, json
from aylien_model_serving.codecs.fields import Fields
from aylien_model_serving.core.messages import Call, Reply
from aylien_model_serving.errors import MalformedBody, UnsupportedMediaType

Decode = Callable[[bytes, str], Fields]

#: The range of all media types.
ANY_TYPE = "*/*"

_NO_DECODERS: Mapping[str, Decode] = MappingProxyType({})


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


def decoders_of(
    max_items: int,
    *,
    numbers: bool = False,
    exact: Collection[str] = (),
    whole: str | None = None,
    raw: Mapping[str, Decode] = _NO_DECODERS,
    expected: str = "JSON",
) -> Mapping[str, Decode]:
    """Return the decoders of a route by media type, with `ANY_TYPE` for all types that have none.

    Args:
        max_items: see `json.decode`.
        numbers: likewise.
        exact: likewise.
        whole: the name of the parameter that a body of JSON is the value of; otherwise it has fields.
        raw: those of bodies that are taken as they are, by media type or range of types.
        expected: what a client is told to send in place of what is not understood.
    """
    decode_json: Decode = partial(json.decode, max_items=max_items, numbers=numbers, exact=exact)
    if whole is not None:
        decode_json = partial(
            body_values.decode_json, name=whole, max_items=max_items, numbers=numbers, exact=bool(exact)
        )
    return {
        "": decode_json,
        "application/json": decode_json,
        "application/x-www-form-urlencoded": partial(forms.decode_urlencoded, decode_json=decode_json),
        "multipart/form-data": forms.decode_multipart,
        **raw,
        ANY_TYPE: partial(_decode_other, decode_json=decode_json, raw=raw, expected=expected),
    }


def _decode_other(
    body: bytes, content_type: str, decode_json: Decode, raw: Mapping[str, Decode], expected: str
) -> Fields:
    """Decode a body of a type that has no decoder: as it is, or as JSON, whatever its Content-Type says.

    Clients rely on the latter.
    """
    is_json = "json" in content_type.lower()
    decode_raw = raw.get(f"{content_type.partition('/')[0].strip().lower()}/*") or raw.get(ANY_TYPE)
    if decode_raw is not None and not is_json:
        return decode_raw(body, content_type)
    try:
        return decode_json(body, content_type)
    except MalformedBody:
        if is_json:
            raise
        raise UnsupportedMediaType(
            f"Bodies of type {content_type[:80]!r} are not understood here: send {expected}"
        ) from None


#: Those of a route without a limit of its own.
DECODERS = decoders_of(json.MAX_ITEMS)

#: Methods whose fields come from the query string.
QUERY_METHODS = frozenset({"GET", "HEAD", "DELETE"})


def decode(call: Call, decoders: Mapping[str, Decode]) -> Fields:
    """Return the fields that a call carries in its body, which has no content coding, or query string.

    Raises:
        MalformedBody: the body is not what its media type promises.
        UnsupportedMediaType: no decoder knows the media type.
    """
    if call.method in QUERY_METHODS and not call.body:
        return forms.decode_query(call.query)
    if not call.body and (call.path_values or call.query):
        return Fields({})  # they may say all there is to say
    content_type = call.headers.get("content-type", "")
    known = decoders.get(content_type) or decoders.get(content_type.partition(";")[0].strip().lower())
    if known is not None:
        return known(call.body, content_type)
    return decoders[ANY_TYPE](call.body, content_type)


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
