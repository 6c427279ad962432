"""Simulated pods wait as queueing theory says, and lose no call."""

from __future__ import annotations

import math
import random
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.scale.arrivals import LOADS
from bench.scale.fleet import Fleet
from bench.scale.service_times import ServiceTimes, load
from bench.scale.simulation import SCALERS, Plan, simulate
from tests.selection import full, matrix

ENDLESS = 10**9


def erlang_c(servers: int, offered: float) -> float:
    """Return the probability that a call waits, of M/M/c (Erlang, 1917).

    Args:
        servers: c.
        offered: the load in Erlang: arrival rate times mean service time, below `servers`.
    """
    last = offered**servers / math.factorial(servers) * servers / (servers - offered)
    return last / (sum(offered**n / math.factorial(n) for n in range(servers)) + last)


def pods(number: int, slots: int, source: random.Random, queue: int = ENDLESS) -> Fleet:
    return Fleet(number, slots=slots, queue=queue, cold_start=30.0, source=source)


@pytest.mark.parametrize(
    ("servers", "use"), matrix([(1, 0.6), (4, 0.8), (16, 0.9), (64, 0.95)], (4, 0.8), rows=True)
)
def test_calls_with_exponential_times_wait_as_erlang_says(servers: int, use: float) -> None:
    source = random.Random(7)
    fleet = pods(1, servers, source)
    now = 0.0
    for _ in range(1_000_000 if use > 0.8 else 300_000):
        now += source.expovariate(servers * use)
        fleet.offer(now, source.expovariate(1.0))

    expected = erlang_c(servers, servers * use) / (servers * (1 - use))
    assert fmean(fleet.waits) == pytest.approx(expected, rel=0.05)
    waited = sum(wait > 0 for wait in fleet.waits) / len(fleet.waits)
    assert waited == pytest.approx(erlang_c(servers, servers * use), rel=0.03)


def test_calls_with_measured_times_wait_as_pollaczek_and_khinchin_say() -> None:
    source, times = random.Random(3), load()
    drawn = [times.draw(source) for _ in range(200_000)]
    rate = 0.7 / times.mean
    fleet, now = pods(1, 1, source), 0.0
    for seconds in drawn:
        now += source.expovariate(rate)
        fleet.offer(now, seconds)

    second_moment = fmean(seconds**2 for seconds in drawn)
    assert fmean(fleet.waits) == pytest.approx(rate * second_moment / (2 * (1 - 0.7)), rel=0.05)


def test_the_better_one_of_two_pods_gets_a_call() -> None:
    def mean_wait(number: int, slots: int) -> float:
        source = random.Random(5)
        fleet, now = pods(number, slots, source), 0.0
        for _ in range(100_000):
            now += source.expovariate(16 * 0.8)
            fleet.offer(now, source.expovariate(1.0))
        return fmean(fleet.waits)

    one_queue, alone = mean_wait(1, 16), 0.8 / (1 - 0.8)

    assert one_queue < mean_wait(16, 1) < alone / 2


def test_a_full_queue_refuses() -> None:
    fleet = pods(1, 1, random.Random(1), queue=2)

    for _ in range(5):
        fleet.offer(0.0, 10.0)

    assert list(fleet.waits) == [0.0, 10.0, 20.0]
    assert fleet.refused == 2
    assert fleet.running_and_waiting(1.0) == (1, 2)
    assert fleet.still_waiting(11.0) == 1


def test_a_pod_costs_from_its_request_to_the_end_of_its_last_call() -> None:
    fleet = pods(1, 1, random.Random(1))
    fleet.resize(0.0, 2)
    assert [fleet.ready(29.0), fleet.ready(30.0)] == [1, 2]

    for _ in range(40):
        fleet.offer(40.0, 1.0)
    fleet.resize(50.0, 1)

    assert fleet.size == 1
    calls = 40 - sum(fleet.running_and_waiting(40.0))
    assert fleet.pod_seconds(100.0) == pytest.approx(100.0 + 40.0 + calls)


@given(
    st.builds(
        Plan,
        load=st.sampled_from(sorted(LOADS)),
        scaler=st.sampled_from(sorted(SCALERS)),
        pods=st.integers(1, 6),
        cold_start=st.floats(5, 120),
        seconds=st.just(300),
        slots=st.integers(1, 3),
        queue=st.integers(0, 5),
        seed=st.integers(0, 2**31),
    )
)
def test_every_call_is_begun_refused_or_waiting(plan: Plan) -> None:
    outcome = simulate(plan, load())

    assert outcome.arrived == outcome.begun + outcome.refused + outcome.waiting
    assert outcome.pod_hours >= 300 / 3600
    assert min(outcome.sizes) >= 1
    assert simulate(plan, load()) == outcome


@pytest.mark.parametrize("name", LOADS)
def test_loads_have_their_mean(name: str) -> None:
    made = LOADS[name](36_000, 2.0, random.Random(1))

    assert made.mean == pytest.approx(2.0, rel=0.1)
    arrived = list(made.arrivals(random.Random(2)))
    assert len(arrived) == pytest.approx(sum(made.rates), abs=4 * math.sqrt(sum(made.rates)))
    assert arrived == sorted(arrived)
    assert made.peak >= made.mean


def test_times_have_the_mean_of_their_quantiles() -> None:
    times, source = ServiceTimes([1.0, 2.0, 6.0]), random.Random(1)

    assert times.mean == (1.5 + 4.0) / 2
    drawn = [times.draw(source) for _ in range(50_000)]
    assert fmean(drawn) == pytest.approx(times.mean, rel=0.02)
    assert 1.0 <= min(drawn) <= max(drawn) <= 6.0
    with pytest.raises(ValueError, match="at least two"):
        ServiceTimes([2.0, 1.0])


@full
def test_an_hour_of_a_thousand_pods_is_simulated() -> None:
    outcome = simulate(Plan("bursts", "gauges", 1000, 30.0), load())

    assert outcome.arrived > 3_000_000
    assert max(outcome.sizes) > 1000
