"""Jobs: their states as the service reports them, and the operations that wait for one and iterate its items.

Pure. A service that restarts keeps its jobs, so whoever waits for one waits for an unavailable service too.
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
from aylien_model_serving.client.retry import FIRST_DELAY, ReconnectBackoff, send
from aylien_model_serving.client.streams import DECODERS, Event
from aylien_model_serving.errors import DeadlineExceeded, ServingError

ENDED = frozenset({"finished", "failed", "cancelled"})

#: Seconds of a long poll for a job's end: where its progress is shown, and where it is not.
_SHORT_POLL_SECONDS, _LONG_POLL_SECONDS = 0.5, 10.0

#: Of the time that is left, the share of a long poll, so that its response is there in time.
_POLL_SHARE = 0.8

#: Seconds between two requests that the service answered at once.
_POLL_INTERVAL = 0.2

#: Jobs of one page at most.
_PAGE_SIZE = 100


@dataclass(frozen=True)
class JobState:
    """The state of a job, as it was when the service was asked.

    Args:
        id: its id.
        status: queued, processing, streaming, finished, failed or cancelled.
        progress: how far it is, from 0 to 1.
        message: what its handler says of it.
        error: why it failed.
        result: what the handler returned, once it has finished.
        metrics: when what happened to it, as the service reports it.
        route: the name of its route, where the service reports it.
        caller: the name of the API key that it was made with; empty without keys.
        request_id: of the request that made it, as the service's log has it; empty if not reported.
    """

    id: str
    status: str
    progress: float = 0.0
    message: str = ""
    error: str = ""
    result: Any = field(default=None, repr=False)
    metrics: Mapping[str, Any] = field(default_factory=dict, repr=False)
    route: str | None = None
    caller: str = ""
    request_id: str = ""

    @property
    def has_ended(self) -> bool:
        return self.status in ENDED


def is_job(response: ApiResponse, value: Any) -> bool:
    """Return whether a response is a job that was kept."""
    return response.status == 202 and isinstance(value, dict) and {"job_id", "status"} <= value.keys()


def parse_state(members: Any) -> JobState:
    """Return the state of a job from a service's JSON.

    Raises:
        NotUnderstood: it is no job's.
    """
    try:
        return JobState(
            str(members["job_id"]),
            str(members["status"]),
            float(members.get("progress", 0.0)),
            str(members.get("message", "")),
            str(members.get("error", "")),
            members.get("result"),
            members.get("metrics", {}),
            members.get("route"),
            str(members.get("caller", "")),
            str(members.get("request_id", "")),
        )
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise NotUnderstood("The answer tells of no job") from error


def job_state(job_id: str, options: Options, clock: ClockAndRandom, wait: float = 0.0) -> Effects:
    """Return a job's state.

    Args:
        job_id: the job's id.
        options: of the calls.
        clock: the clock and the random source.
        wait: seconds that the service may hold the response back until the job ends.
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
        options: of the calls.
        clock: the clock and the random source.
    """
    found: list[JobState] = []
    before: int | None = None
    while len(found) < limit:
        parameters = {"status": status, "limit": min(_PAGE_SIZE, limit - len(found)), "before": before}
        query = tuple((name, str(value)) for name, value in parameters.items() if value is not None)
        page = parse_response(
            (yield from send(ApiRequest("GET", "/jobs", query, idempotent=True), options, clock))
        )
        found += [parse_state(job) for job in page["jobs"]]
        before = page.get("next")
        if before is None:
            break
    return found


def wait_for_end(
    job_id: str, seconds: float, options: Options, clock: ClockAndRandom, *, show_progress: bool
) -> Effects:
    """Wait for a job to end: report each of its states, and return the last one.

    Args:
        job_id: the job's id.
        seconds: that it may take.
        options: of the calls.
        clock: the clock and the random source.
        show_progress: whether somebody sees its progress, so that its state is asked for often.

    Raises:
        TimedOut: it has not ended.
    """
    deadline = clock.now() + seconds
    backoff = ReconnectBackoff(clock, deadline)
    state: JobState | None = None
    may_wait = True
    while (left := deadline - clock.now()) > 0:
        asked_at = clock.now()
        longest = _SHORT_POLL_SECONDS if show_progress else _LONG_POLL_SECONDS
        wait = min(longest, _POLL_SHARE * left) if may_wait else 0.0
        within = replace(options, timeout=min(left, wait + options.timeout), retries=0)
        try:
            state = yield from job_state(job_id, within, clock, wait)
        except TimedOut:
            continue
        except (ClientError, ServingError) as failure:
            if not is_unavailable(failure):
                raise
            if isinstance(failure, DeadlineExceeded) and deadline - clock.now() < FIRST_DELAY:
                break  # the service has noticed first that the time is up
            may_wait = False  # where too many clients wait already, one that does not is answered
            yield from backoff.wait(failure)
            continue
        backoff.reset()
        may_wait = True
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
    """Yield the items that a job makes, from the first one on, and report its states; return its last one.

    A connection that breaks is made again, and no item is yielded twice.
    """
    yielded = 0
    backoff = ReconnectBackoff(clock)
    while True:
        try:
            response = yield from _open_stream(job_id, options)
            number = 0
            decoder = DECODERS[EVENT_STREAM]()
            while (piece := (yield ReadBody(response.reader, options.timeout))) is not None:
                backoff.reset()
                for event in decoder.feed(piece):
                    if event.name != "message":
                        state = _state_in_event(event)
                        yield ReportState(state)
                        if state.has_ended:
                            return state
                        continue
                    number += 1
                    if number > yielded:
                        yielded = number
                        yield YieldItem(decode_files(parse_json(event.data.encode())))
            failure: Exception = ConnectionLost(f"The stream of the job {job_id} ended before the job")
        except (ClientError, ServingError) as error:
            if not (is_unavailable(error) or isinstance(error, TimedOut)):
                raise
            failure = error
        yield from backoff.wait(failure)


def _open_stream(job_id: str, options: Options) -> Effects:
    request = ApiRequest(
        "GET", f"/stream/{quote(job_id, safe='')}", headers={"Accept": EVENT_STREAM}, idempotent=True
    )
    response = yield SendRequest(request, options.timeout)
    raise_for_status(response)
    if response.reader is None or response.media_type != EVENT_STREAM:
        raise NotUnderstood(f"The answer is no stream of the job {job_id}")
    return response


def _state_in_event(event: Event) -> JobState:
    members = parse_json(event.data.encode())
    if event.name == "error" and isinstance(members, dict):
        raise ServingError(str(members.get("error")))
    return replace(parse_state(members), result=decode_files(members.get("result")))
