"""How a job is followed: its states as the service tells them, and the stories of waiting for it.

Pure. A service that restarts keeps its jobs, so whoever waits for one is patient with a service that is away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from aylien_model_serving.client.effects import (
    EVENT_STREAM,
    ApiRequest,
    ApiResponse,
    Effects,
    ReadBody,
    ReportState,
    SendRequest,
    Sleep,
    YieldItem,
)
from aylien_model_serving.client.errors import (
    ClientError,
    ConnectionLost,
    JobCancelled,
    JobFailed,
    NotUnderstood,
    TimedOut,
    is_unavailable,
)
from aylien_model_serving.client.files import decode_files
from aylien_model_serving.client.options import ClockAndRandom, Options
from aylien_model_serving.client.responses import parse_json, parse_response, raise_for_status
from aylien_model_serving.client.retry import backoff_seconds, send
from aylien_model_serving.client.streams import DECODERS, Event
from aylien_model_serving.errors import ServingError

ENDED = frozenset({"finished", "failed", "cancelled"})

#: Seconds that one question waits for a job's end: where somebody sees how far it is, and where nobody does.
_SHORT_POLL_SECONDS, _LONG_POLL_SECONDS = 0.5, 10.0

#: Of the time that is left, what the service may use, so that its answer is there in time.
_POLL_SHARE = 0.8

#: Seconds between two questions that the service answered at once.
_POLL_INTERVAL = 0.2

#: Seconds for which a service may be away.
RECONNECT_SECONDS = 60.0

#: Jobs of one page at most.
_PAGE_SIZE = 100


@dataclass(frozen=True)
class JobState:
    """A job as it was when the service was asked.

    Args:
        id: its id.
        status: queued, processing, streaming, finished, failed or cancelled.
        progress: how far it is, from 0 to 1.
        message: what its handler says of it.
        error: why it failed.
        result: what the handler returned, once it has finished.
        metrics: when what happened to it, as the service tells it.
        route: the name of its route, where the service tells it.
    """

    id: str
    status: str
    progress: float = 0.0
    message: str = ""
    error: str = ""
    result: Any = field(default=None, repr=False)
    metrics: Mapping[str, Any] = field(default_factory=dict, repr=False)
    route: str | None = None

    @property
    def has_ended(self) -> bool:
        return self.status in ENDED


def is_job(answer: ApiResponse, value: Any) -> bool:
    """Tell whether an answer is a job that was kept."""
    return answer.status == 202 and isinstance(value, dict) and {"job_id", "status"} <= value.keys()


def parse_state(told: Any) -> JobState:
    """Return the state that a service's JSON tells.

    Raises:
        NotUnderstood: it tells of no job.
    """
    try:
        return JobState(
            str(told["job_id"]),
            str(told["status"]),
            float(told.get("progress", 0.0)),
            str(told.get("message", "")),
            str(told.get("error", "")),
            told.get("result"),
            told.get("metrics", {}),
            told.get("route"),
        )
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise NotUnderstood("The answer tells of no job") from error


def look(job_id: str, options: Options, clock: ClockAndRandom, wait: float = 0.0) -> Effects:
    """Return a job's state.

    Args:
        job_id: the job's id.
        options: how to ask.
        world: time and chance.
        wait: seconds that the service may hold the answer back until the job ends.
    """
    query = (("wait", f"{wait:.3f}"),) if wait else ()
    request = ApiRequest("GET", f"/status/{quote(job_id, safe='')}", query, idempotent=True)
    return parse_state(parse_response((yield from send(request, options, clock))))


def cancel(job_id: str, options: Options, clock: ClockAndRandom) -> Effects:
    """Have a job stopped, and return its state; one that has ended stays as it is."""
    request = ApiRequest(
        "POST",
        f"/cancel/{quote(job_id, safe='')}",
        headers={"Content-Type": "application/json"},
        body=b"{}",
        idempotent=True,
    )
    return parse_state(parse_response((yield from send(request, options, clock))))


def list_jobs(status: str | None, limit: int, options: Options, clock: ClockAndRandom) -> Effects:
    """Return the states of a service's jobs, the last one first.

    Args:
        status: of those in this state alone.
        limit: how many at most.
        options: how to ask.
        world: time and chance.
    """
    found: list[JobState] = []
    before: int | None = None
    while len(found) < limit:
        asked = {"status": status, "limit": min(_PAGE_SIZE, limit - len(found)), "before": before}
        query = tuple((name, str(value)) for name, value in asked.items() if value is not None)
        told = parse_response(
            (yield from send(ApiRequest("GET", "/jobs", query, idempotent=True), options, clock))
        )
        found += [parse_state(job) for job in told["jobs"]]
        before = told.get("next")
        if before is None:
            break
    return found


class ReconnectBackoff:
    """Lets a service be away for a while.

    Args:
        world: time and chance.
        until: when it ends in any case.
    """

    def __init__(self, clock: ClockAndRandom, until: float | None = None) -> None:
        self._clock = clock
        self._until = until
        self._since: float | None = None
        self._tries = 0

    def reset(self) -> None:
        """The service has answered."""
        self._since, self._tries = None, 0

    def pause(self, failure: Exception) -> Effects:
        """Wait a little.

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


def wait_for_end(
    job_id: str, seconds: float, options: Options, clock: ClockAndRandom, *, show_progress: bool
) -> Effects:
    """Return the last state of a job, and tell those before.

    Args:
        job_id: the job's id.
        seconds: that it may take until then.
        options: how to ask.
        world: time and chance.
        is_shown: whether somebody sees how far it is.

    Raises:
        TimedOut: it has not ended.
    """
    deadline = clock.now() + seconds
    backoff = ReconnectBackoff(clock, deadline)
    state: JobState | None = None
    while (left := deadline - clock.now()) > 0:
        asked_at = clock.now()
        wait = min(_SHORT_POLL_SECONDS if show_progress else _LONG_POLL_SECONDS, _POLL_SHARE * left)
        within = replace(options, timeout=min(left, wait + options.timeout), retries=0)
        try:
            state = yield from look(job_id, within, clock, wait)
        except TimedOut:
            continue
        except (ClientError, ServingError) as failure:
            if not is_unavailable(failure):
                raise
            yield from backoff.pause(failure)
            continue
        backoff.reset()
        yield ReportState(state)
        if state.has_ended:
            return state
        if clock.now() - asked_at < min(_POLL_INTERVAL, wait):
            yield Sleep(min(_POLL_INTERVAL, left))
    how = f"is {state.status}, {state.progress:.0%} done" if state else "has told nothing"
    raise TimedOut(f"The job {job_id} {how} after {seconds:g} s; it goes on, and can be waited for again")


def result_of(state: JobState) -> Any:
    """Return the result of a job that has ended.

    Raises:
        JobFailed: it has none.
        JobCancelled: it has none.
    """
    if state.status == "failed":
        raise JobFailed(state.id, state.error or f"The job {state.id} failed")
    if state.status == "cancelled":
        raise JobCancelled(state.id, f"The job {state.id} was cancelled")
    return state.result


def iterate_items(job_id: str, options: Options, clock: ClockAndRandom) -> Effects:
    """Give the items that a job makes, from the first one on, and tell its states; return its last one.

    A connection that breaks is made again, and what has been given is not given twice.
    """
    given = 0
    backoff = ReconnectBackoff(clock)
    while True:
        try:
            answer = yield from _open_stream(job_id, options)
            number = 0
            decoder = DECODERS[EVENT_STREAM]()
            while (piece := (yield ReadBody(answer.reader, options.timeout))) is not None:
                backoff.reset()
                for event in decoder.feed(piece):
                    if event.name != "message":
                        state = _state_in_event(event)
                        yield ReportState(state)
                        if state.has_ended:
                            return state
                        continue
                    number += 1
                    if number > given:
                        given = number
                        yield YieldItem(decode_files(parse_json(event.data.encode())))
            failure: Exception = ConnectionLost(f"The stream of the job {job_id} ended before the job")
        except (ClientError, ServingError) as error:
            if not (is_unavailable(error) or isinstance(error, TimedOut)):
                raise
            failure = error
        yield from backoff.pause(failure)


def _open_stream(job_id: str, options: Options) -> Effects:
    request = ApiRequest(
        "GET", f"/stream/{quote(job_id, safe='')}", headers={"Accept": EVENT_STREAM}, idempotent=True
    )
    answer = yield SendRequest(request, options.timeout)
    raise_for_status(answer)
    if answer.reader is None or answer.media_type != EVENT_STREAM:
        raise NotUnderstood(f"The answer is no stream of the job {job_id}")
    return answer


def _state_in_event(event: Event) -> JobState:
    told = parse_json(event.data.encode())
    if event.name == "error" and isinstance(told, dict):
        raise ServingError(str(told.get("error")))
    return replace(parse_state(told), result=decode_files(told.get("result")))
