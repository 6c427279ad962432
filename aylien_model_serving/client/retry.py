"""Sends a request until it is answered: further tries where they do no harm, while there is time.

Pure. A try is repeated if the service can't have done anything, because nobody could be reached or because it
says by Retry-After that it is to be tried later; or if to do it twice does no harm.

By hand, because libraries of retries such as tenacity call and sleep themselves; here a pause is an effect,
which either driver performs and a test skips.
"""

from __future__ import annotations

from aylien_model_serving.client.effects import ApiRequest, ApiResponse, Effects, SendRequest, Sleep
from aylien_model_serving.client.errors import ClientError, ConnectionLost, TimedOut, Unreachable
from aylien_model_serving.client.options import ClockAndRandom, Options

#: Seconds before the first further try, and at most; they double in between.
FIRST_DELAY, MAX_DELAY = 0.2, 5.0

#: Seconds for which a service may be unavailable to one that waits for a job.
RECONNECT_SECONDS = 60.0

#: Statuses with which a service says when it is to be tried again.
_RETRY_AFTER_STATUSES = frozenset({429, 503})

#: Statuses of proxies that found nobody behind them, or of a service that is unavailable for a moment.
_TEMPORARY = frozenset({502, 503})


def send(request: ApiRequest, options: Options, clock: ClockAndRandom) -> Effects:
    """Send a request, and return its response, whatever its status is.

    Args:
        request: what to send.
        options: how long, and how often.
        clock: the clock and the random source.

    Raises:
        ClientError: no response came.
    """
    deadline = clock.now() + options.timeout
    tries = 0
    while True:
        response, failure = yield from _attempt(request, deadline - clock.now())
        pause = _delay(request, response, failure, tries, clock.jitter())
        tries += 1
        if pause is None or tries > options.retries or clock.now() + pause >= deadline:
            if failure is not None:
                raise failure
            return response
        yield Sleep(pause)


def _attempt(request: ApiRequest, seconds: float) -> Effects:
    """Return the response of one try, or what was wrong."""
    if seconds <= 0:
        return None, TimedOut("no time was left for a further try")
    try:
        response = yield SendRequest(request, seconds)
    except ClientError as failure:
        return None, failure
    return response, None


def _delay(
    request: ApiRequest, response: ApiResponse | None, failure: ClientError | None, tries: int, jitter: float
) -> float | None:
    """Return the seconds before a further try; None where there must not be one."""
    backoff = backoff_seconds(tries, jitter)
    if failure is not None:
        is_harmless = isinstance(failure, Unreachable) or (
            request.idempotent and isinstance(failure, ConnectionLost)
        )
        return backoff if is_harmless else None
    assert response is not None
    retry_after = response.retry_after()
    if retry_after is not None and response.status in _RETRY_AFTER_STATUSES:
        return retry_after + backoff
    return backoff if request.idempotent and response.status in _TEMPORARY else None


def backoff_seconds(tries: int, jitter: float) -> float:
    """Return the seconds before a further try: twice as many each time, less a jitter of up to half."""
    return min(MAX_DELAY, FIRST_DELAY * 2.0 ** min(tries, 10)) * (1 - jitter / 2)


class ReconnectBackoff:
    """Waits for an unavailable service, for a while, in pauses that grow.

    Args:
        clock: the clock and the random source.
        until: when it ends in any case, by the clock.
    """

    def __init__(self, clock: ClockAndRandom, until: float | None = None) -> None:
        self._clock = clock
        self._until = until
        self._since: float | None = None
        self._tries = 0

    def reset(self) -> None:
        """Begin anew, for the service has answered."""
        self._since, self._tries = None, 0

    def wait(self, failure: Exception) -> Effects:
        """Pause before a further try.

        Raises:
            Exception: the failure, if it has lasted too long.
        """
        now = self._clock.now()
        self._since = now if self._since is None else self._since
        pause = backoff_seconds(self._tries, self._clock.jitter())
        self._tries += 1
        until = self._since + RECONNECT_SECONDS
        if now + pause > (until if self._until is None else min(until, self._until)):
            raise failure
        yield Sleep(pause)
