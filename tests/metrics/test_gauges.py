"""Gauges that are read at a scrape: once a second at most, and added to what processes count."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from aylien_model_serving.errors import Unavailable
from aylien_model_serving.metrics import gauges
from aylien_model_serving.metrics.gauges import JobsGauge, RunnerQueuesGauge, RunnerReplicasGauge
from aylien_model_serving.metrics.instruments import Instruments
from aylien_model_serving.replicas.client.waiting_calls import WaitingCalls
from tests.metrics.test_instruments import scrape, series


def jobs(route: str, status: str) -> Any:
    return series("model_serving_jobs", route=route, status=status)


Status = Mapping[str, Any]


def replicas(**statuses: Status | Callable[[], Status]) -> Callable[[], dict[int, Callable[[], Status]]]:
    """Return what asks replicas, of which each has a status, or a function that returns it."""
    calls = {
        int(name.removeprefix("pid")): status if callable(status) else (lambda status=status: status)
        for name, status in statuses.items()
    }
    return lambda: calls


@pytest.fixture
def stalled() -> Iterator[Callable[[], Status]]:
    """A call to a replica that does not answer."""
    end = threading.Event()

    def call() -> Status:
        end.wait(20)
        return {}

    yield call
    end.set()


WAITING = series("model_serving_runner_waiting", runner="classify")


def test_jobs_are_shown_by_route_and_status_with_zeros() -> None:
    instruments = Instruments()
    instruments.add(JobsGauge(["fries", "soup"], ["queued", "failed"], lambda: {"fries": {"queued": 3}}))

    found = scrape(instruments)

    assert found[jobs("fries", "queued")] == 3
    assert found[jobs("fries", "failed")] == found[jobs("soup", "queued")] == 0


def test_the_store_is_read_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[None] = []

    def count() -> Mapping[str, Mapping[str, int]]:
        reads.append(None)
        return {"fries": {"queued": len(reads)}}

    now = 100.0
    monkeypatch.setattr(gauges.time, "monotonic", lambda: now)
    instruments = Instruments()
    instruments.add(JobsGauge(["fries"], ["queued"], count))

    assert [scrape(instruments)[jobs("fries", "queued")] for _ in range(3)] == [1, 1, 1]
    now += 1.1
    assert scrape(instruments)[jobs("fries", "queued")] == 2


def test_a_store_that_can_not_be_read_leaves_the_other_metrics(caplog: pytest.LogCaptureFixture) -> None:
    def count() -> Mapping[str, Mapping[str, int]]:
        raise Unavailable("The job store is busy")

    instruments = Instruments()
    instruments.add(JobsGauge(["fries"], ["queued"], count))
    instruments.count_cache("fries", "hit")

    found = scrape(instruments)

    assert jobs("fries", "queued") not in found
    assert series("model_serving_cache_total", endpoint="fries", result="hit") in found
    assert "model_serving_jobs can't be read: The job store is busy" in caplog.text


class HangingStore:
    """A store that answers while it `is_there`, and hangs else."""

    def __init__(self) -> None:
        self.is_there = threading.Event()
        self.counts = 0

    def count(self) -> Mapping[str, Mapping[str, int]]:
        self.counts += 1
        assert self.is_there.wait(20)
        return {"fries": {"queued": self.counts}}


@pytest.fixture
def hanging() -> Iterator[HangingStore]:
    store = HangingStore()
    yield store
    store.is_there.set()


def test_a_store_that_hangs_delays_a_scrape_for_a_bounded_time(
    hanging: HangingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gauges, "_JOBS_SECONDS", 0.05)
    gauge = JobsGauge(["fries"], ["queued"], hanging.count)

    since = time.monotonic()
    for _ in range(3):
        with pytest.raises(TimeoutError, match=r"the store has not answered within 0\.05 s"):
            gauge.read()

    assert time.monotonic() - since < 5
    assert hanging.counts == 1  # nobody asks it again meanwhile


def test_the_last_numbers_are_shown_for_two_minutes_where_counting_takes_long(
    hanging: HangingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(gauges.time, "monotonic", lambda: now)
    gauge = JobsGauge(["fries"], ["queued"], hanging.count)
    hanging.is_there.set()
    assert gauge.read() == {("fries", "queued"): 1}

    hanging.is_there.clear()
    monkeypatch.setattr(gauges, "_JOBS_SECONDS", 0.05)
    now += 120
    assert gauge.read() == {("fries", "queued"): 1}
    now += 1
    with pytest.raises(TimeoutError):
        gauge.read()


def test_a_store_that_is_there_again_is_counted_again(
    hanging: HangingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    gauge = JobsGauge(["fries"], ["queued"], hanging.count)
    with monkeypatch.context() as patch:
        patch.setattr(gauges, "_JOBS_SECONDS", 0.05)
        with pytest.raises(TimeoutError):
            gauge.read()

    hanging.is_there.set()
    assert gauge._thread is not None
    gauge._thread.join(5)

    assert gauge.read() == {("fries", "queued"): 2}


def test_calls_that_wait_for_a_replica_and_in_its_queue_are_added_up() -> None:
    instruments = Instruments()
    found = replicas(pid1={"waiting": 2}, pid2={"waiting": 3}, pid3={})
    instruments.add(RunnerQueuesGauge(instruments.number, {"classify": found}))

    instruments.waiting_for_replica("classify")(4)

    assert scrape(instruments)[WAITING] == 9


def test_calls_that_wait_for_a_replica_are_reported_and_limited() -> None:
    reported: list[int] = []
    waiting = WaitingCalls("classify", 2, reported.append)

    with waiting, waiting, pytest.raises(Unavailable), waiting:
        pass

    assert reported == [1, 2, 1, 0]


def test_replicas_are_counted_by_state_and_no_state_is_left_out() -> None:
    instruments = Instruments()
    states = ["ready", "failed", "unresponsive"]
    found = {"classify": lambda: ["ready", "unresponsive", "ready"], "rank": list[str]}

    instruments.add(RunnerReplicasGauge(instruments.number, states, found))

    shown = scrape(instruments)
    counts = {
        (runner, state): shown[series("model_serving_runner_replicas", runner=runner, state=state)]
        for runner in found
        for state in states
    }
    assert counts == {
        ("classify", "ready"): 2,
        ("classify", "failed"): 0,
        ("classify", "unresponsive"): 1,
        ("rank", "ready"): 0,
        ("rank", "failed"): 0,
        ("rank", "unresponsive"): 0,
    }


def test_a_replica_that_does_not_answer_counts_with_its_last_answer() -> None:
    found: dict[int, Callable[[], Status]] = {1: lambda: {"waiting": 2}, 2: lambda: {"waiting": 3}}
    gauge = RunnerQueuesGauge("0", {"classify": lambda: found})
    gauge.read()

    found[1] = dict
    assert gauge.read() == {("classify", "0"): 5}
    del found[2]
    assert gauge.read() == {("classify", "0"): 2}


def test_a_replica_whose_call_fails_keeps_no_other_from_being_read(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Status:
        raise RuntimeError("no socket")

    gauge = RunnerQueuesGauge("0", {"a": replicas(pid1=broken), "b": replicas(pid2={"waiting": 3})})

    assert gauge.read() == {("a", "0"): 0, ("b", "0"): 3}
    assert "model_serving_runner_waiting can't be read from a replica of a: no socket" in caplog.text


def test_stalled_replicas_of_several_runners_share_one_second(stalled: Callable[[], Status]) -> None:
    runners = {
        f"runner{number}": replicas(
            **{f"pid{10 * number + each}": stalled for each in range(4)},
            **{f"pid{10 * number + 9}": {"waiting": number}},
        )
        for number in range(1, 4)
    }
    gauge = RunnerQueuesGauge("0", runners)

    since = time.monotonic()
    found = gauge.read()

    assert time.monotonic() - since < 6  # one after the other they take twelve
    assert found == {("runner1", "0"): 1, ("runner2", "0"): 2, ("runner3", "0"): 3}


def test_a_replica_that_is_still_asked_is_not_asked_again(
    stalled: Callable[[], Status], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gauges, "_REPLICAS_SECONDS", 0.05)
    asked: list[None] = []

    def call() -> Status:
        asked.append(None)
        return stalled()

    gauge = RunnerQueuesGauge("0", {"classify": replicas(pid1=call)})

    for _ in range(3):
        gauge.read()

    assert len(asked) == 1


def test_no_more_threads_ask_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gauges, "_MAX_THREADS", 2)
    asking: set[int] = set()

    def call() -> Status:
        asking.add(threading.get_ident())
        time.sleep(0.01)
        return {"waiting": 1}

    gauge = RunnerQueuesGauge("0", {"classify": replicas(**{f"pid{each}": call for each in range(10)})})

    assert gauge.read() == {("classify", "0"): 10}
    assert len(asking) <= 2


class TakesTime:
    """A clock in which each reading takes a number of seconds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
        self.now = 100.0
        self.readings = 0
        self._seconds = seconds
        monkeypatch.setattr(gauges.time, "monotonic", lambda: self.now)

    def read(self) -> Mapping[Any, Any]:
        self.readings += 1
        self.now += self._seconds
        return {}


def test_queues_are_read_again_a_second_after_a_slow_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = TakesTime(monkeypatch, 1.0)
    gauge = RunnerQueuesGauge("0", {"classify": clock.read})

    list(gauge.collect())
    clock.now += 0.9
    list(gauge.collect())
    assert clock.readings == 1
    clock.now += 0.2
    list(gauge.collect())
    assert clock.readings == 2


@pytest.mark.parametrize(("seconds", "age"), [(0.01, 1), (0.5, 10), (5, 30)])
def test_jobs_are_counted_more_seldom_where_that_takes_long(
    seconds: float, age: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = TakesTime(monkeypatch, seconds)
    gauge = JobsGauge(["fries"], ["queued"], clock.read)

    list(gauge.collect())
    clock.now += age - 0.1
    list(gauge.collect())
    assert clock.readings == 1
    clock.now += 0.2
    list(gauge.collect())
    assert clock.readings == 2


def test_a_scrape_waits_for_the_reading_of_another_one() -> None:
    begun, reads = threading.Event(), []

    def count() -> Mapping[str, Mapping[str, int]]:
        reads.append(None)
        begun.set()
        time.sleep(0.1)
        return {"fries": {"queued": 3}}

    instruments = Instruments()
    instruments.add(JobsGauge(["fries"], ["queued"], count))
    other = threading.Thread(target=scrape, args=(instruments,))
    other.start()
    begun.wait(5)

    found = scrape(instruments)
    other.join()

    assert found[jobs("fries", "queued")] == 3
    assert len(reads) == 1


def test_a_scrape_of_other_series_does_not_read_a_gauge() -> None:
    reads: list[None] = []
    instruments = Instruments()
    instruments.add(JobsGauge(["fries"], ["queued"], lambda: reads.append(None) or {}))
    instruments.count_cache("fries", "hit")

    assert scrape(instruments, "model_serving_cache_total")
    assert not reads
    assert scrape(instruments, "model_serving_jobs")
    assert len(reads) == 1
