"""The reply cache: the stored form of a reply, and single flight.

Pure. Storage is flask-caching's affair; it is passed in as a `CacheBackend`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Set as AbstractSet
from concurrent.futures import Future
from enum import Enum
from typing import Any, BinaryIO, Protocol, TypeAlias

import msgspec
from cachelib.serializers import BaseSerializer

from aylien_model_serving.core import reads
from aylien_model_serving.core.messages import Call, Reply
from aylien_model_serving.dispatch.cache_keys import (
    NO_NAMES,
    Variant,
    Varying,
    is_personal,
    varied_key,
    varies_by,
    with_caller,
)

logger = logging.getLogger(__name__)

CACHE_HEADER = "X-Cache"

#: The stored form of a reply: media type, body, headers. An entry of another shape is a miss.
_Entry = tuple[str, bytes, list[tuple[str, str]]]


class CacheBackend(Protocol):
    """The part of a flask-caching `Cache` that is used here."""

    def get(self, key: str) -> Any: ...

    def set(self, key: str, value: Any, timeout: int | None = None) -> Any: ...


class Personal(Enum):
    """The end of a flight whose reply is for its own client: the others look again, and wait for nobody."""

    REPLY = "personal"


#: What the clients that wait for a run get of it: the reply, or that it is not theirs, or that it gave up.
FlightEnd: TypeAlias = Reply | Personal | None


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

    def get(self, key: str) -> Reply | Varying | None:
        """Return the stored reply, or what the replies to such requests depend on, or None."""
        try:
            entry = self._backend.get(key)
            if entry is None:
                return None
            if type(entry) is dict:
                return Varying(msgspec.convert(entry["varies_by"], frozenset[str]))
            media_type, body, headers = msgspec.convert(entry, _Entry, builtin_types=(bytes,))
            return Reply(200, body, media_type, headers)
        except Exception:
            logger.warning("The cache can't be read; the handler runs instead", exc_info=True)
            return None

    def variant(
        self, key: str, known: frozenset[str], found: Varying | None, call: Call
    ) -> tuple[Variant, Reply | None]:
        """Return where the reply to a request has its variant, and the reply if it is there.

        Args:
            key: of all requests with these fields.
            known: names of what has a part in it beside the fields.
            found: what was found there.
            call: the request.
        """
        if found is None:
            return Variant(key, known, NO_NAMES, key), None
        own = varied_key(key, found.names, call)
        reply = self.get(own)
        return Variant(key, known, found.names, own), reply if isinstance(reply, Reply) else None

    def keep(self, variant: Variant, reply: Reply, read: AbstractSet[str], call: Call) -> FlightEnd:
        """Store a reply for the requests that it answers, and return what those get that wait for it."""
        names = with_caller(read | varies_by(reply), call)
        if reply.chunks is not None or reply.status >= 400 or is_personal(reply) or reads.EVERYTHING in names:
            return Personal.REPLY
        more = names - variant.known - variant.names
        if more or variant.names:
            self._set(variant.key, {"varies_by": sorted(variant.names | more)})
        self.put(varied_key(variant.key, variant.names | more, call) if more else variant.own, reply)
        return Personal.REPLY if more else reply

    def put(self, key: str, reply: Reply) -> None:
        """Store a reply, unless it reports an error or is meant for one client."""
        if reply.status == 200 and not is_personal(reply):
            self._set(key, (reply.media_type, reply.body, reply.headers))

    def _set(self, key: str, entry: object) -> None:
        try:
            self._backend.set(key, entry, timeout=self._timeout)
        except Exception:
            logger.warning("The cache can't be written; the reply is not stored", exc_info=True)


class SingleFlight:
    """Lets equal requests that arrive together share one run of the handler: the first one leads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_flight: dict[str, Future[FlightEnd]] = {}

    def join(self, key: str) -> Future[FlightEnd] | None:
        """Return the future of the run under way, or None for the leader, which has to run the handler."""
        with self._lock:
            flight = self._in_flight.get(key)
            if flight is None:
                self._in_flight[key] = Future()
            return flight

    def complete(self, key: str, outcome: FlightEnd | Exception) -> None:
        """Give the outcome of the run to all that wait; after one that they can't use, they try again."""
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
