"""The limit of one route: admits calls, or refuses them, and says in headers what is left.

The headers are the structured fields of draft-ietf-httpapi-ratelimit-headers (as of September 2025):
`RateLimit-Policy` says what the limits are, `RateLimit` how much of them is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from hashlib import blake2b
from typing import Any, NamedTuple

from aylien_model_serving.core.held_chunks import HeldChunks
from aylien_model_serving.core.messages import Chunks, Reply
from aylien_model_serving.errors import TooManyRequests
from aylien_model_serving.limiting.addresses import ClientAddresses
from aylien_model_serving.limiting.rates import LimitOptions, Rate
from aylien_model_serving.limiting.running_calls import RunningCalls
from aylien_model_serving.limiting.windows import Counts, Hit

#: Name of the policy that limits how many calls run at once.
CONCURRENT = "concurrent"

POLICY_HEADER, LIMIT_HEADER = "RateLimit-Policy", "RateLimit"

#: Seconds after which a client may ask again while as many of its calls run as may.
_CONCURRENT_RETRY = 1


class LimitStores(NamedTuple):
    """Where a service counts.

    Args:
        counts: of calls in windows of time.
        running: calls that run.
        addresses: of clients.
    """

    counts: Counts
    running: RunningCalls
    addresses: ClientAddresses


class Limiter:
    """Limits the calls of a route.

    Args:
        route: distinguishes the route from all others that are counted in the same place.
        options: the limit.
        stores: where calls are counted.
        count_refusal: counts a refused call; it gets "rate" or "concurrent".
    """

    def __init__(
        self, route: str, options: LimitOptions, stores: LimitStores, count_refusal: Callable[[str], None]
    ) -> None:
        self._prefix = route
        self._options = options
        self._stores = stores
        self._count_refusal = count_refusal
        self._policy = (POLICY_HEADER, ", ".join(_policies(options)))
        #: Whether `admit` may have to wait for the network.
        self.waits = bool(options.rate) and stores.counts.waits

    def admit(self, caller: str, remote: str, headers: Mapping[str, str]) -> Admission:
        """Count a call.

        Args:
            caller: the name of the API key's owner, if the service has keys.
            remote: the address of the connection.
            headers: of the request.

        Raises:
            TooManyRequests: the client has reached a limit.
        """
        client = self._client(caller, remote, headers)
        key = blake2b(f"{self._prefix}|{client}".encode(errors="replace"), digest_size=16).digest()
        running = self._begin(key)
        try:
            left = self._hit_all(key)
        except BaseException:
            if running is not None:
                self._stores.running.end(running)
            raise
        shown = [self._policy, (LIMIT_HEADER, ", ".join(left))] if left else [self._policy]
        return Admission(shown, None if running is None else _Running(self._stores.running, running))

    def _client(self, caller: str, remote: str, headers: Mapping[str, str]) -> str:
        if caller and self._options.per == "key":
            return f"key {caller}"
        addresses = self._stores.addresses
        forwarded = "" if addresses.trusts_none else headers.get("x-forwarded-for", "")
        return f"address {addresses.of(remote, forwarded)}"

    def _begin(self, key: bytes) -> int | None:
        limit = self._options.concurrent
        if limit is None:
            return None
        running = self._stores.running.begin(key, limit)
        if running is None:
            raise self._refusal(
                CONCURRENT,
                f"Calls of one client that may run at once here: {limit}",
                f'"{CONCURRENT}";r=0;t={_CONCURRENT_RETRY}',
                _CONCURRENT_RETRY,
            )
        return running

    def _hit_all(self, key: bytes) -> list[str]:
        """Count a call in each window, the shortest first, and return what is left there."""
        left = []
        for rate in self._options.rate:
            hit = self._stores.counts.hit(rate, _key_of_window(key, rate))
            if hit is None:
                continue
            left.append(_left(rate, hit))
            if not hit.is_allowed:
                message = f"One client may make {rate} here: try again in {hit.reset} s"
                raise self._refusal("rate", message, ", ".join(left), hit.reset)
        return left

    def _refusal(self, limit: str, message: str, left: str, retry_after: int) -> TooManyRequests:
        self._count_refusal(limit)
        return TooManyRequests(message, retry_after, [self._policy, (LIMIT_HEADER, left)])


def _policies(options: LimitOptions) -> Iterator[str]:
    for rate in options.rate:
        yield f'"{rate.name}";q={rate.amount};w={rate.seconds}'
    if options.concurrent is not None:
        yield f'"{CONCURRENT}";q={options.concurrent};qu="concurrent-requests"'


def _left(rate: Rate, hit: Hit) -> str:
    return f'"{rate.name}";r={hit.remaining};t={hit.reset}'


def _key_of_window(key: bytes, rate: Rate) -> bytes:
    """Return the key of one of a route's windows: the same 12 bytes, and the length."""
    return key[:12] + rate.seconds.to_bytes(4, "little")


class _Running:
    """A call that runs, until it ends for the first time."""

    __slots__ = ("_byte", "_calls")

    def __init__(self, calls: RunningCalls, byte: int) -> None:
        self._calls: RunningCalls | None = calls
        self._byte = byte

    def end(self) -> None:
        calls, self._calls = self._calls, None
        if calls is not None:
            calls.end(self._byte)

    def __del__(self) -> None:
        self.end()  # of a response whose body nobody began to read


class Admission:
    """A call that was admitted.

    Args:
        headers: of its response.
        running: counts it as running, where that is limited.
    """

    __slots__ = ("_running", "headers")

    def __init__(self, headers: list[tuple[str, str]], running: _Running | None) -> None:
        self.headers = headers
        self._running = running

    def end(self) -> None:
        """Count the call as ended; once more does nothing."""
        if self._running is not None:
            self._running.end()

    def end_after(self, runs: list[Future[Any]]) -> None:
        """Count the call as ended when the last of these is done, which go on without it."""
        if not runs:
            self.end()
        elif self._running is not None:
            runs.pop().add_done_callback(lambda _: self.end_after(runs))

    def apply(self, reply: Reply) -> Reply:
        """Return the reply of the call with the headers; a stream counts as running until it is closed."""
        chunks = self.hold(reply.chunks)
        headers = [*reply.headers, *self.headers]
        return Reply(reply.status, reply.body, reply.media_type, headers, chunks, reply.after)

    def hold(self, chunks: Chunks | None) -> Chunks | None:
        """Return the body of the call's response, at whose end the call ends; without one it ends here."""
        if chunks is None:
            self.end()
        elif self._running is not None:
            return HeldChunks(chunks, self._running.end)
        return chunks
