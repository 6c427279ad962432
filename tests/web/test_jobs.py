"""The endpoints of jobs, over a store that is this process's memory: no other process is needed."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from flask.testing import FlaskClient

from aylien_model_serving import BackgroundTask, InvalidRequest, JobProgress, TaskResponse
from aylien_model_serving.errors import ConfigurationError
from tests.web.asking import error, post, route, serve

LONG = 30


@pytest.fixture(autouse=True)
def _in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_SERVING_JOBS_URL", "memory://")


class Door:
    """What a handler of a test waits at."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.open = threading.Event()

    def wait(self) -> None:
        self.entered.set()
        assert self.open.wait(LONG)


@pytest.fixture
def door() -> Iterator[Door]:
    door = Door()
    yield door
    door.open.set()


def jobs(handler: Callable[..., Any], **options: Any) -> FlaskClient:
    """Return a client of a service that keeps the calls of one handler as jobs."""
    return serve(route(handler, job=options or True))


def echo(text: str = "hello") -> dict[str, str]:
    return {"text": text}


def begin(client: FlaskClient, fields: Any = None, path: str = "/p", **headers: str) -> str:
    """Have a job kept, and return its id."""
    response = post(client, fields, path, **headers)
    assert response.status_code == 202, response.text
    job_id: str = response.get_json()["job_id"]
    return job_id


def end_of(client: FlaskClient, job_id: str) -> Any:
    """Return a job that has ended."""
    return client.get(f"/status/{job_id}?wait={LONG}").get_json()


def events_of(client: FlaskClient, job_id: str) -> list[tuple[str, Any]]:
    """Return the names and the data of a job's stream, to its end."""
    response = client.get(f"/stream/{job_id}")
    assert response.content_type.startswith("text/event-stream")
    assert response.headers["X-Accel-Buffering"] == "no"
    found = []
    for text in response.text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in text.splitlines() if not line.startswith(":"))
        if lines:
            found.append((lines.get("event", "item"), json.loads(lines["data"])))
    return found


def test_a_call_is_answered_at_once_with_its_job(door: Door) -> None:
    client = jobs(lambda text: door.wait())

    response = post(client, {"text": "a"})
    told = response.get_json()

    job_id = told["job_id"]
    assert response.status_code == 202
    assert response.headers["Location"] == f"/status/{job_id}"
    assert told.keys() == {"job_id", "status", "progress", "metrics", "links"}
    assert (told["status"], told["progress"]) == ("queued", 0.0)
    assert told["links"] == {
        "status": f"/status/{job_id}",
        "cancel": f"/cancel/{job_id}",
        "stream": f"/stream/{job_id}",
    }
    assert told["metrics"].keys() == {"created_at", "queued_at", "attempts"}
    assert told["metrics"]["attempts"] == 0


def test_a_finished_job_has_its_result_and_its_times() -> None:
    client = jobs(echo)

    told = end_of(client, begin(client, {"text": "a"}))

    assert (told["status"], told["result"], told["progress"]) == ("finished", {"text": "a"}, 1.0)
    assert "error" not in told
    metrics = told["metrics"]
    times = [metrics[name] for name in ("created_at", "queued_at", "started_at", "finished_at")]
    assert times == sorted(times, key=datetime.fromisoformat)
    assert 0 <= metrics["execution_time_s"] < LONG
    assert metrics["attempts"] == 1


def test_a_result_of_null_is_dropped_and_other_false_ones_are_not() -> None:
    client = jobs(lambda value: value)

    assert "result" not in end_of(client, begin(client, {"value": None}))
    assert end_of(client, begin(client, {"value": 0}))["result"] == 0
    assert end_of(client, begin(client, {"value": False}))["result"] is False
    assert end_of(client, begin(client, {"value": ""}))["result"] == ""


def test_the_state_is_told_in_three_forms() -> None:
    client = jobs(echo)
    job_id = begin(client)
    end = end_of(client, job_id)

    assert client.get(f"/status?job_id={job_id}").get_json() == end
    assert client.post(f"/status?job_id={job_id}").get_json() == end
    assert client.post("/status", json={"job_id": job_id}).get_json() == end
    assert client.get(f"/status/{job_id}").get_json() == end


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/status/nothing"),
        ("GET", "/status?job_id=nothing"),
        ("POST", "/status?job_id=nothing"),
        ("POST", "/cancel/nothing"),
        ("GET", "/stream/nothing"),
        ("GET", "/status/%F0%9F%92%A9"),
        ("GET", f"/status/{'0' * 3000}"),
    ],
)
def test_an_unknown_job_is_404(method: str, path: str) -> None:
    response = jobs(echo).open(path, method=method)

    status, code, message = error(response)
    assert (status, code) == (404, "not_found")
    assert message.startswith("There is no job ")
    assert len(message) < 200


def test_another_services_job_is_unknown() -> None:
    job_id = begin(jobs(echo))

    assert jobs(echo).get(f"/status/{job_id}").status_code == 404


def test_waiting_for_a_job_ends_with_it_or_with_the_time(door: Door) -> None:
    client = jobs(lambda text="": door.wait())
    job_id = begin(client)
    assert door.entered.wait(LONG)

    before = time.monotonic()
    early = client.get(f"/status/{job_id}?wait=0.2").get_json()
    waited = time.monotonic() - before
    threading.Timer(0.1, door.open.set).start()
    late = end_of(client, job_id)

    assert waited >= 0.2
    assert early["status"] == "processing"
    assert late["status"] == "finished"


@pytest.mark.parametrize("wait", ["-1", "nan", "inf", "soon", "true"])
def test_waiting_for_nonsense_does_not_wait_for_ever(wait: str) -> None:
    client = jobs(echo)
    job_id = begin(client)
    end_of(client, job_id)

    assert client.get(f"/status/{job_id}?wait={wait}").status_code in (200, 400)


def test_invalid_fields_are_refused_at_once() -> None:
    client = jobs(echo)

    assert error(post(client, {"txt": "a"}))[0] == 400
    assert error(post(client, {"text": 1}))[0] == 400
    assert error(post(client, b"{"))[0] == 400
    assert client.get("/jobs").get_json() == {"jobs": []}


def test_what_a_handler_refuses_ends_as_failed_with_its_words() -> None:
    def refuse(text: str = "") -> None:
        raise InvalidRequest("not this text")

    client = jobs(refuse, retries=3)
    told = end_of(client, begin(client))

    assert (told["status"], told["error"], told["metrics"]["attempts"]) == ("failed", "not this text", 1)
    assert "result" not in told


def test_a_failure_keeps_its_secrets() -> None:
    def fail(text: str = "") -> None:
        raise ValueError("the secret of the model")

    client = jobs(fail)
    told = end_of(client, begin(client))

    assert told["status"] == "failed"
    assert told["error"] == "The service failed to answer this request"


def test_a_failed_job_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aylien_model_serving.jobs.life.RETRY_PAUSE", 0.01)
    tries: list[float] = []

    def fail_twice(text: str = "") -> int:
        tries.append(time.monotonic())
        if len(tries) < 3:
            raise ValueError("not yet")
        return len(tries)

    client = jobs(fail_twice, retries=2)
    told = end_of(client, begin(client))

    assert (told["status"], told["result"], told["metrics"]["attempts"]) == ("finished", 3, 3)


def test_progress_is_told_by_status_and_stream(door: Door) -> None:
    def make(job_progress: JobProgress, text: str = "") -> str:
        job_progress.set_status(0.4, "so far")
        door.wait()
        job_progress.set_status(0.8)
        return "made"

    client = jobs(make)
    job_id = begin(client)
    assert door.entered.wait(LONG)
    told = client.get(f"/status/{job_id}").get_json()
    door.open.set()
    end = end_of(client, job_id)

    assert (told["status"], told["progress"], told["message"]) == ("processing", 0.4, "so far")
    assert (end["progress"], end["message"], end["result"]) == (1.0, "so far", "made")


def test_the_reporter_comes_by_its_type_whatever_its_name() -> None:
    def make(text: str, reporter: JobProgress) -> str:
        reporter.set_status(0.5, text)
        return "made"

    client = jobs(make)

    assert error(post(client, {"text": "a", "reporter": 1}))[0] == 400
    assert end_of(client, begin(client, {"text": "a"}))["message"] == "a"


def test_a_stream_shows_progress_and_then_the_end(door: Door) -> None:
    def make(job_progress: JobProgress, text: str = "") -> str:
        door.wait()
        job_progress.set_status(0.5, "half")
        time.sleep(0.3)
        return "made"

    client = jobs(make)
    job_id = begin(client)
    assert door.entered.wait(LONG)
    threading.Timer(0.05, door.open.set).start()
    events = events_of(client, job_id)

    assert [(name, told["status"], told["progress"]) for name, told in events] == [
        ("progress", "processing", 0.0),
        ("progress", "processing", 0.5),
        ("finished", "finished", 1.0),
    ]
    assert events[-1][1] == end_of(client, job_id)


def count(number: int) -> Iterator[dict[str, int]]:
    for step in range(number):
        yield {"step": step}


async def count_async(number: int) -> AsyncIterator[dict[str, int]]:
    for step in range(number):
        yield {"step": step}


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


def test_more_items_than_one_look_finds_come_in_order() -> None:
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
    name, told = events[-1]
    assert (name, told["status"], told["error"]) == ("failed", "failed", "no more")


def test_a_queued_job_is_cancelled_at_once(door: Door) -> None:
    ran: list[str] = []

    def work(text: str) -> None:
        ran.append(text)
        door.wait()

    client = jobs(work)
    first = begin(client, {"text": "first"})
    assert door.entered.wait(LONG)
    second = begin(client, {"text": "second"})
    response = client.post(f"/cancel/{second}")
    door.open.set()

    assert response.get_json()["status"] == "cancelled"
    assert end_of(client, first)["status"] == "finished"
    assert client.get(f"/status/{second}").get_json()["status"] == "cancelled"
    assert ran == ["first"]


def test_a_running_job_stops_at_its_next_report(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    def work(job_progress: JobProgress, text: str = "") -> None:
        door.entered.set()
        while True:
            job_progress.set_status(0.5)
            time.sleep(0.01)

    client = jobs(work)
    job_id = begin(client)
    assert door.entered.wait(LONG)
    client.post(f"/cancel/{job_id}")
    end = end_of(client, job_id)

    assert end["status"] == "cancelled"
    assert "error" not in end
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_a_coroutine_stops_at_its_next_report(door: Door) -> None:
    async def work(job_progress: JobProgress, text: str = "") -> None:
        door.entered.set()
        while True:
            job_progress.set_status(0.5)
            await asyncio.sleep(0.01)

    client = jobs(work)
    job_id = begin(client)
    assert door.entered.wait(LONG)
    client.post(f"/cancel/{job_id}")

    assert end_of(client, job_id)["status"] == "cancelled"


def test_a_running_generator_is_closed_at_its_next_item(door: Door) -> None:
    closed = threading.Event()

    def work(text: str = "") -> Iterator[int]:
        try:
            while True:
                yield 1
                door.entered.set()
                time.sleep(0.01)
        finally:
            closed.set()

    client = jobs(work)
    job_id = begin(client)
    assert door.entered.wait(LONG)
    client.post(f"/cancel/{job_id}")

    assert end_of(client, job_id)["status"] == "cancelled"
    assert closed.wait(LONG)


def test_a_job_that_has_ended_stays_as_it_is_when_it_is_cancelled() -> None:
    client = jobs(echo)
    job_id = begin(client)
    end = end_of(client, job_id)

    assert client.post(f"/cancel/{job_id}").get_json() == end


def test_a_job_that_does_not_stop_ends_all_the_same(door: Door) -> None:
    client = jobs(lambda text="": door.wait(), timeout=0.2, grace=0.2)
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


def test_an_equal_idempotency_key_gives_the_same_job() -> None:
    client = serve(route(echo, job=True), route(count, "/count", job=True))

    first = begin(client, {"text": "a"}, Idempotency_Key="k")
    again = begin(client, {"text": "b"}, Idempotency_Key="k")
    other = begin(client, {"text": "a"}, Idempotency_Key="l")
    elsewhere = begin(client, {"number": 1}, "/count", Idempotency_Key="k")

    assert first == again
    assert len({first, other, elsewhere}) == 3


def test_a_full_queue_is_429_with_retry_after(door: Door) -> None:
    client = jobs(lambda text="": door.wait(), queue_size=2)
    begin(client)
    assert door.entered.wait(LONG)
    begin(client, Idempotency_Key="k")
    begin(client)

    refused = post(client)
    known = post(client, Idempotency_Key="k")

    assert error(refused)[:2] == (429, "too_many_requests")
    assert int(refused.headers["Retry-After"]) >= 1
    assert known.status_code == 202


def test_higher_priorities_go_first_and_then_the_oldest(door: Door) -> None:
    ran: list[str] = []

    def work(text: str) -> None:
        ran.append(text)
        door.wait()

    client = jobs(work, priority=3)
    ids = [begin(client, {"text": "a"})]
    assert door.entered.wait(LONG)
    ids += [begin(client, {"text": text}) for text in "bc"]
    door.open.set()
    for job_id in ids:
        end_of(client, job_id)

    assert ran == ["a", "b", "c"]


def test_jobs_are_listed_the_last_one_first() -> None:
    client = serve(route(echo, job=True), route(count, "/count", job=True))
    ids = [begin(client), begin(client, {"number": 1}, "/count"), begin(client)]
    for job_id in ids:
        end_of(client, job_id)

    listed = client.get("/jobs").get_json()["jobs"]
    of_route = client.get("/jobs?route=count").get_json()["jobs"]

    assert [job["job_id"] for job in listed] == ids[::-1]
    assert [job["route"] for job in listed] == ["echo", "count", "echo"]
    assert all("result" not in job for job in listed)
    assert [job["job_id"] for job in of_route] == [ids[1]]
    assert len(client.get("/jobs?status=finished").get_json()["jobs"]) == 3
    assert client.get("/jobs?status=failed").get_json() == {"jobs": []}


def test_pages_of_jobs_follow_each_other_without_gaps() -> None:
    client = jobs(echo)
    ids = [begin(client) for _ in range(5)]

    found, query = [], "limit=2"
    while True:
        page = client.get(f"/jobs?{query}").get_json()
        found += [job["job_id"] for job in page["jobs"]]
        if "next" not in page:
            break
        begin(client)  # which is on no later page
        query = f"limit=2&before={page['next']}"

    assert found == ids[::-1]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "status=done", "before=x", "what=1"])
def test_a_list_that_can_not_be_is_400(query: str) -> None:
    assert error(jobs(echo).get(f"/jobs?{query}"))[0] == 400


def test_what_is_left_to_do_is_done_after_the_job() -> None:
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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"queue": 1}, "unknown key 'queue'; did you mean 'queue_size'?"),
        ({"retries": -1}, "key 'retries': a number of 0 or more is expected; this is -1"),
        ({"timeout": 0}, "key 'timeout': seconds above 0 are expected; this is 0"),
        ({"priority": "high"}, "key 'priority': a whole number is expected; this is 'high'"),
    ],
)
def test_a_mistake_in_the_key_stops_the_service(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match="route '/p': key 'job': ") as raised:
        jobs(echo, **options)

    assert message in str(raised.value)


@pytest.mark.parametrize("path", ["/status/<job_id>", "/jobs", "/cancel/<anything>"])
def test_a_route_in_the_place_of_an_endpoint_of_jobs_stops_the_service(path: str) -> None:
    def handler(job_id: str = "", anything: str = "") -> None: ...

    with pytest.raises(ConfigurationError, match="is answered by another route already"):
        serve(route(echo, job=True), route(handler, path, methods=["GET", "POST"]))
