"""Images as answers: their own bytes for a client that takes them, else the JSON file object.

Pure; knows no image library. An image goes out as it is where Accept ranks its media type at least
as high as JSON: browsers and curl get a picture, a client that names application/json, or sends no Accept,
the object.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from aylien_model_serving.codecs import JSON, Encoder, media_ranges, preference
from aylien_model_serving.core.messages import Reply
from aylien_model_serving.media.images import ImageFile

#: Keep a shared cache from mixing the forms up, and a browser from taking an image for a script.
_HEADERS = (("Vary", "Accept"), ("X-Content-Type-Options", "nosniff"))


class _NegotiatedEncoder(Encoder):
    """JSON, and for an image what the client's Accept says, which stands as media type here."""

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
    """Tell whether a client would rather have a media type than JSON."""
    ranges = media_ranges(accept)
    weight, position = preference(media_type, ranges)
    return weight > 0 and (weight, position) >= preference(JSON.media_type, ranges)


@lru_cache(maxsize=256)
def encoder_for(accept: str) -> Encoder:
    """Return the encoder that an Accept header asks for.

    Its media type is the same for all headers that no image tells apart.
    """
    if "image/" in accept.lower():
        return _NegotiatedEncoder(accept, JSON.encode)
    return _AS_IMAGE if _prefers(accept, "image/*") else _AS_OBJECT
