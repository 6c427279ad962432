"""Images as responses: their own bytes for a client that accepts them, else the JSON file object.

Pure; knows no image library. An image is sent as it is where Accept ranks its media type at least
as high as JSON: browsers and curl get the image, a client that names application/json, or sends no Accept,
the file object.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from aylien_model_serving.codecs import JSON, Encoder, media_ranges, preference
from aylien_model_serving.core.messages import Reply
from aylien_model_serving.media.images import ImageFile

#: Keeps a shared cache from mixing up the two forms.
_HEADERS = (("Vary", "Accept"),)


class _NegotiatedEncoder(Encoder):
    """JSON, and for an image what Accept prefers; the Accept header is the media type here."""

    __slots__ = ()

    def reply(self, result: Any) -> Reply:
        if not isinstance(result, ImageFile):
            return JSON.reply(result)
        own = result.body_as_is()
        if own is None or not _prefers(self.media_type, own[1]):
            own = JSON.encode(result), JSON.media_type
        return Reply(200, *own, list(_HEADERS))


_AS_OBJECT = _NegotiatedEncoder(JSON.media_type, JSON.encode)
_AS_IMAGE = _NegotiatedEncoder("*/*", JSON.encode)


def _prefers(accept: str, media_type: str) -> bool:
    """Return whether an Accept header ranks a media type at least as high as JSON."""
    ranges = media_ranges(accept)
    weight, position = preference(media_type, ranges)
    return weight > 0 and (weight, position) >= preference(JSON.media_type, ranges)


@lru_cache(maxsize=64)  # of headers that may be long
def encoder_for(accept: str) -> Encoder:
    """Return the encoder for an Accept header.

    Its media type is the same for all headers that treat every image alike: these share cached responses.
    """
    if "image/" in accept.lower():
        return _NegotiatedEncoder(accept, JSON.encode)
    return _AS_IMAGE if _prefers(accept, "image/*") else _AS_OBJECT
