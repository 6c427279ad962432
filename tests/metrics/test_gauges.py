"""Gauges that are read at a scrape: once a second at most, and added to what processes count."""

from collections.abc import Mapping
from typing import Any
from unittest import mock

import pytest

from aylien_model_serving.errors import Unavailable
from aylien_model_serving.metrics import gauges
from aylien_model_serving.metrics.gauges import JobsGauge, RunnerQueuesGauge
from aylien_model_serving.metrics.instruments import Instruments
from aylien_model_serving.replicas.client.replica_pool import ReplicaPool
from tests.metrics.test_instruments import scrape, series


def jobs(route: str, status: str) -> Any:
    return series("model_serving_jobs", route=route, status=status)


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


def test_calls_that_wait_for_a_replica_and_in_its_queue_are_added_up() -> None:
    instruments = Instruments()
    replicas = [{"pid": 1, "waiting": 2}, {"pid": 2, "waiting": 3}, {"pid": None}]
    instruments.add(RunnerQueuesGauge(instruments.number, {"classify": lambda: replicas}))

    instruments.waiting_for_replica("classify")(4)

    assert scrape(instruments)[WAITING] == 9


def test_a_pool_reports_the_calls_that_wait_for_a_replica() -> None:
    reported: list[int] = []
    pool = ReplicaPool(mock.Mock(max_queue=2, replicas=1), reported.append)

    pool.enter()
    pool.enter()
    with pytest.raises(Unavailable):
        pool.enter()
    pool.exit()
    pool.exit()

    assert reported == [1, 2, 1, 0]


def test_a_replica_that_does_not_answer_counts_with_its_last_answer() -> None:
    replicas: list[dict[str, int]] = [{"pid": 1, "waiting": 2}, {"pid": 2, "waiting": 3}]
    gauge = RunnerQueuesGauge("0", {"classify": lambda: replicas})
    gauge.read()

    del replicas[0]["waiting"]
    assert gauge.read() == {("classify", "0"): 5}
    del replicas[1]
    assert gauge.read() == {("classify", "0"): 2}
