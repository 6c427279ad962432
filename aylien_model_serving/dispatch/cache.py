"""The reply cache: the key of a request, the stored form of its reply, and single flight.

Pure. Storage is flask-caching's affair; it is passed in as a `CacheBackend`.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future
from hashlib import blake2b
from typing import Any, BinaryIO, Protocol

import msgspec
from cachelib.serializers import BaseSerializer

from aylien_model_serving.codecs import json
from aylien_model_serving.core.messages import Call, Reply

logger = logging.getLogger(__name__)

CACHE_HEADER = "X-Cache"

#: The stored form of a reply: media type, body, headers. An entry of another shape is a miss.
_Entry = tuple[str, bytes, list[tuple[str, str]]]


class CacheBackend(Protocol):
    """The part of a flask-caching `Cache` that is used here."""

    def get(self, key: str) -> Any: ...

    def set(self, key: str, value: Any, timeout: int | None = None) -> Any: ...


def cache_key(owner: str, call: Call, arguments: dict[str, Any], media_type: str) -> str:
    """Return the cache key of a request.

    Args:
        owner: identity of the route, its callable and its schema.
        call: gives path and query.
        arguments: the validated arguments; their order and the body's white space do not matter.
        media_type: the reply's media type.
    """
    parts = [owner, call.method, call.path, call.query, media_type, arguments]
    return blake2b(json.encode_canonical(parts), digest_size=20).hexdigest()


def is_personal(reply: Reply) -> bool:
    """Return whether a reply is meant for one client, and must not be shared with others."""
    return any(name.lower() == "set-cookie" for name, _ in reply.headers)


class ReplyCache:
    """Replies in a backend; a backend that fails is a miss, never an error of the request.

    Args:
        backend: stores the replies.
        single_flight: the runs under way, of all caches that share the backend.
        timeout: seconds after which a reply expires; None for the backend's default, 0 for never.
    """

    def __init__(
        self, backend: CacheBackend, single_flight: SingleFlight, timeout: int | None = None
    ) -> None:
        self._backend = backend
        self._timeout = timeout
        self.single_flight = single_flight

    def get(self, key: str) -> Reply | None:
        """Return the stored reply, or None."""
        try:
            entry = self._backend.get(key)
            if entry is None:
                return None
            media_type, body, headers = msgspec.convert(entry, _Entry, builtin_types=(bytes,))
            return Reply(200, body, media_type, headers)
        except Exception:
            logger.warning("The cache can't be read; the handler runs instead", exc_info=True)
            return None

    def put(self, key: str, reply: Reply) -> None:
        """Store a reply, unless it reports an error or is meant for one client."""
        if reply.status != 200 or is_personal(reply):
            return
        try:
            self._backend.set(key, (reply.media_type, reply.body, reply.headers), timeout=self._timeout)
        except Exception:
            logger.warning("The cache can't be written; the reply is not stored", exc_info=True)


class SingleFlight:
    """Lets equal requests that arrive together share one run of the handler: the first one leads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_flight: dict[str, Future[Reply | None]] = {}

    def join(self, key: str) -> Future[Reply | None] | None:
        """Return the future of the run under way, or None for the leader, which has to run the handler."""
        with self._lock:
            flight = self._in_flight.get(key)
            if flight is None:
                self._in_flight[key] = Future()
            return flight

    def complete(self, key: str, outcome: Reply | Exception | None) -> None:
        """Give the outcome of the run to all that wait; after None, which they can't use, they try again."""
        with self._lock:
            flight = self._in_flight.pop(key)
        if isinstance(outcome, Exception):
            flight.set_exception(outcome)
        else:
            flight.set_result(outcome)


class MessagePackSerializer(BaseSerializer):
    """Stores replies as MessagePack: reading a cache that others can write to must not run their code."""

    def dumps(self, value: Any, *_: Any) -> bytes:
        return msgspec.msgpack.encode(value)

    def loads(self, bvalue: bytes | None) -> Any:
        return None if bvalue is None else _decode_or_none(bvalue)

    def dump(self, value: Any, f: Any, *_: Any) -> None:
        f.write(self.dumps(value))

    def load(self, f: BinaryIO) -> Any:
        return self.loads(f.read())


class PassThroughSerializer(BaseSerializer):
    """Stores replies in this process as the immutable objects that they are."""

    def dumps(self, value: Any, *_: Any) -> Any:
        return value

    def loads(self, bvalue: Any) -> Any:
        return bvalue


def _decode_or_none(packed: bytes) -> Any:
    """An entry that something else wrote is a miss."""
    try:
        return msgspec.msgpack.decode(packed)
    except msgspec.MsgspecError:
        return None
