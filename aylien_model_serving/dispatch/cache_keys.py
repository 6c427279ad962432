"""Which requests may have one reply: the keys of the reply cache.

Requests with equal fields have one, as long as the code that answers reads nothing else of them. What it does
read, such as a header or the caller, becomes a part of the key. Pure.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from hashlib import blake2b
from typing import Any, NamedTuple

from aylien_model_serving.codecs import json_keys
from aylien_model_serving.core import reads
from aylien_model_serving.core.messages import Call, Reply

#: Nothing but the fields.
NO_NAMES: frozenset[str] = frozenset()

_CALLER, _HOST = frozenset({reads.CALLER}), frozenset({"host"})

#: The words in a reply's headers by which it is not to be kept for others (RFC 9111).
_PERSONAL = {
    "cache-control": frozenset({"private", "no-store", "no-cache"}),
    "vary": frozenset({"*", "cookie", "authorization"}),
}


def cache_key(owner: str, call: Call, arguments: dict[str, Any], media_type: str) -> str:
    """Return the cache key of a request.

    Args:
        owner: identity of the route, its callable and its schema.
        call: gives path and query.
        arguments: the validated arguments; their order and the body's white space do not matter.
        media_type: the reply's media type.
    """
    return _digest([owner, call.method, call.path, call.query, media_type, arguments])


def varied_key(key: str, names: frozenset[str], call: Call) -> str:
    """Return the key of the requests that are equal in what was read of them beside the fields.

    Args:
        key: of all requests with these fields.
        names: of what was read, as in `core.reads`.
        call: the request.
    """
    value_of = call.headers.get
    values = [[name, call.caller if name == reads.CALLER else value_of(name)] for name in sorted(names)]
    return _digest([key, values])


def _digest(parts: list[Any]) -> str:
    return blake2b(json_keys.encode_canonical(parts), digest_size=20).hexdigest()


def with_caller(names: AbstractSet[str], call: Call) -> frozenset[str]:
    """Return what was read, and the caller, for whom whoever looks at headers may have another reply.

    The host alone, which Flask reads for the URLs that it makes, says nothing of who asks.
    """
    return frozenset(names | _CALLER if call.caller and names - _HOST else names)


def is_personal(reply: Reply) -> bool:
    """Return whether a reply is meant for one client, and must not be shared with others."""
    return any(
        name.lower() == "set-cookie" or not _PERSONAL.get(name.lower(), NO_NAMES).isdisjoint(_words(value))
        for name, value in reply.headers
    )


def varies_by(reply: Reply) -> set[str]:
    """Return the names of what a reply depends on, as its process has seen and as it says itself."""
    named = [_words(value) for name, value in reply.headers if name.lower() == "vary"]
    return set(reply.varies_by).union(*named)


def _words(value: str) -> set[str]:
    """Return the words that a header lists, in lower case, without what they are set equal to."""
    words = (word.partition("=")[0].strip().lower() for word in value.split(","))
    return {word for word in words if word}


class Varying(NamedTuple):
    """What the cache has under the key of all requests with certain fields, where their replies differ.

    Args:
        names: of what the replies depend on beside the fields.
    """

    names: frozenset[str]


class Variant(NamedTuple):
    """Where the cache may have the reply to a request.

    Args:
        key: of all requests with its fields.
        known: names of what has a part in `key` beside the fields.
        names: of what the replies to such requests depend on as well.
        own: the key of the requests that are equal in these, too.
    """

    key: str
    known: frozenset[str]
    names: frozenset[str]
    own: str

    def is_varied_by(self, read: AbstractSet[str], call: Call) -> bool:
        """Return whether more was read than all requests of this place have in common."""
        return bool(with_caller(read, call) - self.known - self.names)
