"""Answers kept for equal requests: the key, the stored form, and single flight.

Pure. Which backend keeps the answers is flask-caching's affair; it is handed in as a `Backend`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from hashlib import blake2b
from typing import Any, BinaryIO, Protocol

import msgspec
from cachelib.serializers import BaseSerializer

from aylien_model_serving.codecs import json
from aylien_model_serving.core.messages import Call, Reply

logger = logging.getLogger(__name__)

CACHE_HEADER = "X-Cache"

#: The stored form of an answer: media type, body, headers. An entry of another shape is a miss.
_Entry = tuple[str, bytes, list[tuple[str, str]]]


class Backend(Protocol):
    """The part of a flask-caching `Cache` that is used here."""

    def get(self, key: str) -> Any: ...

    def set(self, key: str, value: Any, timeout: int | None = None) -> Any: ...


def cache_key(owner: str, call: Call, arguments: dict[str, Any], media_type: str) -> str:
    """Return the key of an answer.

    Args:
        owner: identity of the route, its callable and its schema.
        call: gives path and query.
        arguments: the validated arguments; their order and the body's white space do not matter.
        media_type: the answer's media type.
    """
    parts = [owner, call.method, call.path, call.query, media_type, arguments]
    return blake2b(json.encode_sorted(parts), digest_size=20).hexdigest()


def is_personal(reply: Reply) -> bool:
    """Tell whether an answer is one client's own, and nobody else may see it."""
    return any(name.lower() == "set-cookie" for name, _ in reply.headers)


class ReplyCache:
    """Answers in a backend; a backend that fails is a miss, never an error of the request.

    Args:
        backend: where the answers are.
        flights: the runs under way, of all who share the backend.
        timeout: seconds for which an answer is kept; None for the backend's default, 0 for ever.
    """

    def __init__(self, backend: Backend, single_flight: SingleFlight, timeout: int | None = None) -> None:
        self._backend = backend
        self._timeout = timeout
        self.single_flight = single_flight

    def get(self, key: str) -> Reply | None:
        """Return the kept answer, or None."""
        try:
            kept = self._backend.get(key)
            if kept is None:
                return None
            media_type, body, headers = msgspec.convert(kept, _Entry, builtin_types=(bytes,))
            return Reply(200, body, media_type, headers)
        except Exception:
            logger.warning("The cache can't be read; the handler runs instead", exc_info=True)
            return None

    def put(self, key: str, reply: Reply) -> None:
        """Keep an answer, unless it tells an error or is one client's own."""
        if reply.status != 200 or is_personal(reply):
            return
        try:
            self._backend.set(key, (reply.media_type, reply.body, reply.headers), timeout=self._timeout)
        except Exception:
            logger.warning("The cache can't be written; the answer is not kept", exc_info=True)


class SingleFlight:
    """Lets equal requests that arrive together share one run of the handler."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: dict[str, Future[Reply | None]] = {}

    def join(self, key: str) -> Future[Reply | None] | None:
        """Return the future of the run that is under way, or None for the caller that has to run it."""
        with self._lock:
            flight = self._under_way.get(key)
            if flight is None:
                self._under_way[key] = Future()
            return flight

    def complete(self, key: str, outcome: Reply | Exception | None) -> None:
        """Tell all who wait how the run ended; None means that it did not, and that they try again."""
        with self._lock:
            flight = self._under_way.pop(key)
        if isinstance(outcome, Exception):
            flight.set_exception(outcome)
        else:
            flight.set_result(outcome)


class MessagePackSerializer(BaseSerializer):
    """Stores answers as MessagePack: reading a cache that others can write to must not run their code."""

    def dumps(self, value: Any, *_: Any) -> bytes:
        return msgspec.msgpack.encode(value)

    def loads(self, bvalue: bytes | None) -> Any:
        return None if bvalue is None else _quietly(msgspec.msgpack.decode, bvalue)

    def dump(self, value: Any, f: Any, *_: Any) -> None:
        f.write(self.dumps(value))

    def load(self, f: BinaryIO) -> Any:
        return self.loads(f.read())


class PassThroughSerializer(BaseSerializer):
    """Keeps answers in this process as the immutable objects that they are."""

    def dumps(self, value: Any, *_: Any) -> Any:
        return value

    def loads(self, bvalue: Any) -> Any:
        return bvalue


def _quietly(read: Callable[[bytes], Any], packed: bytes) -> Any:
    """An entry that something else wrote is a miss."""
    try:
        return read(packed)
    except msgspec.MsgspecError:
        return None
