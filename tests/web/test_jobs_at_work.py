"""How jobs run: progress, streams, cancellation and timeouts."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from aylien_model_serving import BackgroundTask, InvalidRequest, JobProgress, TaskResponse
from tests.web.jobs import (
    LONG,
    JobGate,
    begin,
    count,
    count_async,
    each_event_of,
    echo,
    end_of,
    events_of,
    jobs,
)
from tests.web.requests import error, post, route, serve

pytestmark = pytest.mark.usefixtures("in_memory")


def test_progress_is_in_the_status(job_gate: JobGate) -> None:
    def make(job_progress: JobProgress, text: str = "") -> str:
        job_progress.set_status(0.4, "so far")
        job_gate.wait()
        job_progress.set_status(0.8)
        return "made"

    client = jobs(make)
    job_id = begin(client)
    assert job_gate.entered.wait(LONG)
    job = client.get(f"/status/{job_id}").get_json()
    job_gate.open.set()
    end = end_of(client, job_id)

    assert (job["status"], job["progress"], job["message"]) == ("processing", 0.4, "so far")
    assert (end["progress"], end["message"], end["result"]) == (1.0, "so far", "made")


def test_the_reporter_comes_by_its_type_whatever_its_name() -> None:
    def make(text: str, reporter: JobProgress) -> str:
        reporter.set_status(0.5, text)
        return "made"

    client = jobs(make)

    assert error(post(client, {"text": "a", "reporter": 1}))[0] == 400
    assert end_of(client, begin(client, {"text": "a"}))["message"] == "a"


def test_a_stream_shows_progress_and_then_the_end(job_gate: JobGate) -> None:
    half_seen = threading.Event()

    def make(job_progress: JobProgress, text: str = "") -> str:
        job_gate.wait()
        job_progress.set_status(0.5, "half")
        assert half_seen.wait(LONG)
        return "made"

    client = jobs(make)
    job_id = begin(client)
    assert job_gate.entered.wait(LONG)
    events = each_event_of(client, job_id)
    first = next(events)
    job_gate.open.set()
    second = next(events)
    half_seen.set()
    *_, last = events

    assert [(name, job["status"], job["progress"]) for name, job in (first, second, last)] == [
        ("progress", "processing", 0.0),
        ("progress", "processing", 0.5),
        ("finished", "finished", 1.0),
    ]
    assert last[1] == end_of(client, job_id)


@pytest.mark.parametrize("handler", [count, count_async])
def test_a_generators_items_are_streamed_and_are_its_result(handler: Callable[..., Any]) -> None:
    client = jobs(handler)
    job_id = begin(client, {"number": 3})
    end = end_of(client, job_id)
    items = [{"step": step} for step in range(3)]

    assert (end["status"], end["result"]) == ("finished", items)
    for _ in range(2):  # a stream can be read again
        events = events_of(client, job_id)
        assert [data for name, data in events if name == "item"] == items
        assert events[-1] == ("finished", end)


def test_more_items_than_one_page_holds_come_in_order() -> None:
    client = jobs(count)
    job_id = begin(client, {"number": 250})

    steps = [data["step"] for name, data in events_of(client, job_id) if name == "item"]

    assert steps == list(range(250))


def test_a_generator_that_fails_ends_as_failed_after_its_items() -> None:
    def fail_late(text: str = "") -> Iterator[int]:
        yield 1
        raise InvalidRequest("no more")

    client = jobs(fail_late)
    events = events_of(client, begin(client))

    assert ("item", 1) in events
    name, job = events[-1]
    assert (name, job["status"], job["error"]) == ("failed", "failed", "no more")


def test_a_queued_job_is_cancelled_at_once(job_gate: JobGate) -> None:
    ran: list[str] = []

    def work(text: str) -> None:
        ran.append(text)
        job_gate.wait()

    client = jobs(work)
    first = begin(client, {"text": "first"})
    assert job_gate.entered.wait(LONG)
    second = begin(client, {"text": "second"})
    response = client.post(f"/cancel/{second}")
    job_gate.open.set()

    assert response.get_json()["status"] == "cancelled"
    assert end_of(client, first)["status"] == "finished"
    assert client.get(f"/status/{second}").get_json()["status"] == "cancelled"
    assert ran == ["first"]


def test_a_running_job_stops_at_its_next_report(job_gate: JobGate, caplog: pytest.LogCaptureFixture) -> None:
    def work(job_progress: JobProgress, text: str = "") -> None:
        job_gate.entered.set()
        while True:
            job_progress.set_status(0.5)
            time.sleep(0.01)

    client = jobs(work)
    job_id = begin(client)
    assert job_gate.entered.wait(LONG)
    client.post(f"/cancel/{job_id}")
    end = end_of(client, job_id)

    assert end["status"] == "cancelled"
    assert "error" not in end
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_a_coroutine_stops_at_its_next_report(job_gate: JobGate) -> None:
    async def work(job_progress: JobProgress, text: str = "") -> None:
        job_gate.entered.set()
        while True:
            job_progress.set_status(0.5)
            await asyncio.sleep(0.01)

    client = jobs(work)
    job_id = begin(client)
    assert job_gate.entered.wait(LONG)
    client.post(f"/cancel/{job_id}")

    assert end_of(client, job_id)["status"] == "cancelled"


def test_a_running_generator_is_closed_at_its_next_item(job_gate: JobGate) -> None:
    closed = threading.Event()

    def work(text: str = "") -> Iterator[int]:
        try:
            while True:
                yield 1
                job_gate.entered.set()
                time.sleep(0.01)
        finally:
            closed.set()

    client = jobs(work)
    job_id = begin(client)
    assert job_gate.entered.wait(LONG)
    client.post(f"/cancel/{job_id}")

    assert end_of(client, job_id)["status"] == "cancelled"
    assert closed.wait(LONG)


def test_a_job_that_has_ended_stays_as_it_is_when_it_is_cancelled() -> None:
    client = jobs(echo)
    job_id = begin(client)
    end = end_of(client, job_id)

    assert client.post(f"/cancel/{job_id}").get_json() == end


def test_a_job_that_does_not_stop_ends_all_the_same(job_gate: JobGate) -> None:
    client = jobs(lambda text="": job_gate.wait(), timeout=0.2, grace=0.2)
    job_id = begin(client)
    end = end_of(client, job_id)

    assert (end["status"], end["error"]) == ("failed", "It took longer than 0.2 seconds")


def test_a_job_out_of_time_stops_at_its_next_report_and_ends_as_failed() -> None:
    def work(job_progress: JobProgress, text: str = "") -> None:
        while True:
            job_progress.set_status(0.5)
            time.sleep(0.01)

    client = jobs(work, timeout=0.2, retries=3)
    end = end_of(client, begin(client))

    assert (end["status"], end["error"]) == ("failed", "It took longer than 0.2 seconds")
    assert end["metrics"]["attempts"] == 1


def test_background_tasks_run_after_the_job() -> None:
    done = threading.Event()

    def work(text: str = "") -> TaskResponse:
        return TaskResponse("made", background=BackgroundTask(done.set))

    client = jobs(work)

    assert end_of(client, begin(client))["result"] == "made"
    assert done.wait(LONG)


def test_a_class_is_built_with_what_its_runner_says() -> None:
    class Greeter:
        def __init__(self, greeting: str, device: str) -> None:
            self.greeting = f"{greeting} from {device}"

        def __call__(self, name: str) -> str:
            return f"{self.greeting}, {name}"

    client = serve(route(Greeter, job=True, runner={"init": {"greeting": "Hello"}}))

    assert end_of(client, begin(client, {"name": "you"}))["result"] == "Hello from cpu, you"


def test_several_jobs_run_at_once_where_threads_say_so() -> None:
    both = threading.Barrier(2)

    def meet(text: str = "") -> None:
        both.wait(LONG)

    client = serve(route(meet, job=True, threads=2))
    ids = [begin(client), begin(client)]

    assert [end_of(client, job_id)["status"] for job_id in ids] == ["finished"] * 2
