"""Images, audio and video as responses: their own bytes for a client that accepts them, else the file object.

Pure; decodes nothing. A file is sent as it is where Accept ranks its media type at least as high as JSON:
browsers and curl get the file, a client that names application/json, or sends no Accept, the file object.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, get_args

from aylien_model_serving.codecs import JSON, Encoder, content_disposition, media_ranges, preference
from aylien_model_serving.core.messages import Reply
from aylien_model_serving.decoding.messages import Family
from aylien_model_serving.media import images
from aylien_model_serving.media.files import MediaFile

#: Keeps a shared cache from mixing up the two forms.
_HEADERS = (("Vary", "Accept"),)


class _NegotiatedEncoder(Encoder):
    """JSON, and for a file what Accept prefers; the Accept header is the media type here."""

    __slots__ = ()

    def reply(self, result: Any) -> Reply:
        result = images.file_of(result)
        if not isinstance(result, MediaFile):
            return JSON.reply(result)
        own = result.body_as_is()
        if own is None or not _prefers(self.media_type, own[1]):
            return Reply(200, JSON.encode(result), JSON.media_type, list(_HEADERS))
        headers = list(_HEADERS)
        if result.file_name is not None:
            headers.append(content_disposition.header("inline", result.file_name))
        return Reply(200, *own, headers)


_AS_OBJECT = _NegotiatedEncoder(JSON.media_type, JSON.encode)
_AS_FILE = _NegotiatedEncoder("*/*", JSON.encode)


def _prefers(accept: str, media_type: str) -> bool:
    """Return whether an Accept header ranks a media type at least as high as JSON."""
    ranges = media_ranges(accept)
    weight, position = preference(media_type, ranges)
    return weight > 0 and (weight, position) >= preference(JSON.media_type, ranges)


_FAMILIES = tuple(f"{family}/" for family in get_args(Family))


@lru_cache(maxsize=64)  # of headers that may be long
def encoder_for(accept: str) -> Encoder:
    """Return the encoder for an Accept header.

    Its media type is the same for all headers that treat every file alike: these share cached responses.
    """
    if any(family in accept.lower() for family in _FAMILIES):
        return _NegotiatedEncoder(accept, JSON.encode)
    return _AS_FILE if _prefers(accept, "*/*") else _AS_OBJECT
