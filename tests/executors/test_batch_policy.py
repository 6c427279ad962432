"""When an idle model takes a batch: the policy alone, and against clients in virtual time."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aylien_model_serving.executors.batch_policy import BatchCosts, BatchOptions, BatchPolicy
from tests.executors.simulation import Greedy, Outcome, Policy, Simulation, adaptive_policy
from tests.selection import matrix

MILLISECOND = 0.001


def callers_return(policy: BatchPolicy, size: int, start: float, gap: float = 0.05 * MILLISECOND) -> float:
    """End a batch of this size and let each of its callers call again; return the time of the last."""
    policy.ran(size, 5 * MILLISECOND, start)
    for number in range(1, size + 1):
        policy.arrived(start + number * gap, number)
    return start + size * gap


def trained_policy(limits: BatchOptions = BatchOptions(64, 0.005), size: int = 32) -> BatchPolicy:  # noqa: B008  (frozen)
    """Return a policy that has seen clients call again right after their answers."""
    policy = BatchPolicy(limits)
    for number in range(8):
        callers_return(policy, size, number * 0.02)
    return policy


def test_an_untrained_policy_makes_nobody_wait() -> None:
    policy = BatchPolicy(BatchOptions(64, 0.005))

    policy.arrived(1.0, 1)

    assert policy.due(1.0, 1, 1.0) <= 1.0


def test_a_full_batch_goes_at_once() -> None:
    policy = trained_policy()
    policy.ran(32, 5 * MILLISECOND, 1.0)

    assert policy.due(1.0, 64, 0.996) <= 1.0
    assert policy.due(1.0, 32, 0.996) > 1.0


def test_a_lone_call_after_idleness_goes_at_once() -> None:
    policy = trained_policy()
    policy.ran(32, 5 * MILLISECOND, 1.0)

    policy.arrived(1.1, 1)

    assert policy.due(1.1, 1, 1.1) <= 1.1


def test_waiting_calls_wait_for_callers_that_are_expected_back() -> None:
    policy = trained_policy()
    policy.ran(32, 5 * MILLISECOND, 1.0)

    due = policy.due(1.0, 32, 0.996)

    assert 1.0 + 32 * 0.05 * MILLISECOND < due <= 1.005


def test_once_all_callers_are_back_the_batch_goes() -> None:
    policy = trained_policy()
    end = callers_return(policy, 32, 1.0)

    assert policy.due(end, 64, 0.996) <= end


def test_callers_that_stay_away_are_not_waited_for() -> None:
    policy = trained_policy()
    policy.ran(32, 5 * MILLISECOND, 1.0)
    for number in range(1, 9):
        policy.arrived(1.0 + number * 0.05 * MILLISECOND, number)
    last = 1.0 + 8 * 0.05 * MILLISECOND

    due = policy.due(last, 8, 1.0)

    assert last < due < last + MILLISECOND


def test_nobody_waits_for_a_model_without_a_fixed_cost() -> None:
    policy = BatchPolicy(BatchOptions(64, 0.005))
    for number, size in enumerate([1, 16, 32, 8] * 4):
        policy.ran(size, size * 0.1 * MILLISECOND, number * 0.02)
        for later in range(1, size + 1):
            policy.arrived(number * 0.02 + later * 0.01 * MILLISECOND, later)
    policy.ran(16, 1.6 * MILLISECOND, 1.0)

    assert policy.due(1.0, 16, 0.999) <= 1.0


steps = st.lists(
    st.tuples(st.sampled_from(["arrive", "run"]), st.floats(0, 0.02), st.integers(1, 80)), max_size=60
)


@given(
    steps, st.integers(1, 64), st.floats(0, 0.05), st.integers(1, 80), st.floats(0, 0.02), st.floats(0, 0.02)
)
def test_no_limit_is_ever_exceeded(
    steps: list[tuple[str, float, int]],
    max_size: int,
    max_wait: float,
    waiting: int,
    since: float,
    waited: float,
) -> None:
    policy = BatchPolicy(BatchOptions(max_size, max_wait))
    now = ended = 1.0
    for kind, seconds, number in steps:
        now += seconds
        if kind == "arrive":
            policy.arrived(now, number)
        else:
            policy.ran(number, seconds, now)
            ended = now
    now += since
    first = now - waited

    due = policy.due(now, waiting, first)

    assert due <= max(now, max(first, ended) + max_wait)
    if waiting >= max_size:
        assert due <= now


@given(steps, st.integers(1, 64))
def test_whatever_the_policy_has_seen_a_lone_call_after_a_pause_goes_at_once(
    steps: list[tuple[str, float, int]], max_size: int
) -> None:
    policy = BatchPolicy(BatchOptions(max_size, 0.005))
    now = 1.0
    for kind, seconds, number in steps:
        now += seconds
        policy.arrived(now, number) if kind == "arrive" else policy.ran(number, seconds, now)
    now += 10.0

    policy.arrived(now, 1)

    assert policy.due(now, 1, now) <= now


@given(st.floats(0, 0.1), st.floats(0, 0.001), st.sets(st.integers(1, 64), min_size=3))
def test_fixed_and_per_item_cost_of_a_batch_are_separated(
    fixed: float, per_item: float, sizes: set[int]
) -> None:
    costs = BatchCosts()

    for size in sizes:
        costs.record(size, fixed + per_item * size)

    groups = {(size - 1).bit_length() for size in sizes}
    expected = fixed if len(groups) > 1 else None
    assert expected is None or costs.fixed() == pytest.approx(expected, abs=1e-9)


def test_one_outlier_changes_nothing() -> None:
    costs = BatchCosts()
    for _ in range(3):
        costs.record(1, 0.005)
        costs.record(64, 0.005)

    costs.record(64, 10.0)

    assert costs.fixed() == pytest.approx(0.005)


class ExponentialDelay:
    """Draws seconds at random around a mean, the same ones in each run."""

    def __init__(self, mean: float) -> None:
        self._chance = random.Random(7)
        self._mean = mean

    def __call__(self) -> float:
        return self._chance.expovariate(1 / self._mean)


def closed(
    policy: Policy, clients: int, cpu: float, fixed: float = 5 * MILLISECOND, per_item: float = 0.0
) -> Outcome:
    return Simulation(policy, cpu=lambda: cpu, fixed=fixed, per_item=per_item).closed(clients, seconds=1.0)


@pytest.mark.parametrize(("cpu", "gain"), [(0.05, 1.2), (0.06, 1.1), (0.07, 1.03)])
def test_clients_in_two_cohorts_are_joined_into_full_batches(cpu: float, gain: float) -> None:
    greedy = closed(Greedy(), 64, cpu * MILLISECOND)
    adapted = closed(adaptive_policy(), 64, cpu * MILLISECOND)

    assert greedy.mean_size == pytest.approx(32, rel=0.01)
    assert min(adapted.sizes) == 64
    assert adapted.throughput > gain * greedy.throughput
    assert adapted.mean_latency < greedy.mean_latency / gain


@pytest.mark.parametrize("clients", matrix([2, 4, 8, 16, 32], 2, 16))
def test_fewer_clients_than_a_batch_holds_are_joined_too(clients: int) -> None:
    assert (
        closed(adaptive_policy(), clients, 0.1 * MILLISECOND).throughput
        > 1.2 * closed(Greedy(), clients, 0.1 * MILLISECOND).throughput
    )


@pytest.mark.parametrize("clients", matrix([2, 8, 16, 32, 64], 2, 16))
def test_clients_whose_turnaround_varies_are_joined_too(clients: int) -> None:
    def run(policy: Policy) -> Outcome:
        chance = random.Random(3)
        simulation = Simulation(
            policy,
            cpu=lambda: chance.expovariate(1 / (0.05 * MILLISECOND)),
            turnaround=lambda: chance.uniform(0.3 * MILLISECOND, MILLISECOND),
        )
        return simulation.closed(clients, seconds=2.0)

    assert run(adaptive_policy()).throughput > 1.15 * run(Greedy()).throughput


@pytest.mark.parametrize("clients", matrix([1, 2, 64, 100, 200], 2, 100))
@pytest.mark.parametrize("cpu", matrix([0.05, 0.075, 0.1, 0.125, 0.15], 0.05, 0.1))
def test_where_waiting_gains_nothing_nothing_is_lost(clients: int, cpu: float) -> None:
    greedy = closed(Greedy(), clients, cpu * MILLISECOND)
    adapted = closed(adaptive_policy(), clients, cpu * MILLISECOND)

    assert adapted.throughput > 0.98 * greedy.throughput
    assert adapted.mean_latency < 1.02 * greedy.mean_latency


@pytest.mark.parametrize("clients", matrix([1, 2, 8, 64], 8))
@pytest.mark.parametrize(("fixed", "per_item"), [(0.0, 0.1), (0.0, 0.02), (0.0, 1.0), (1.0, 0.1), (1.0, 1.0)])
def test_a_model_with_a_per_item_cost_is_kept_busy(clients: int, fixed: float, per_item: float) -> None:
    model = {"fixed": fixed * MILLISECOND, "per_item": per_item * MILLISECOND}

    greedy = closed(Greedy(), clients, 0.1 * MILLISECOND, **model)
    adapted = closed(adaptive_policy(), clients, 0.1 * MILLISECOND, **model)

    assert adapted.throughput > 0.98 * greedy.throughput
    assert adapted.mean_latency < 1.02 * greedy.mean_latency


@pytest.mark.parametrize("fixed", [0.0, 5 * MILLISECOND])
@pytest.mark.parametrize("rate", matrix([10, 100, 200, 400, 1000, 5000, 10000], 10, 400, 1000))
def test_calls_that_arrive_at_random_wait_no_longer(rate: float, fixed: float) -> None:
    def run(policy: Policy) -> Outcome:
        simulation = Simulation(policy, cpu=lambda: 0.0, fixed=fixed, per_item=0.02 * MILLISECOND)
        return simulation.open(rate, seconds=max(2.0, 800 / rate))

    greedy, adapted = run(Greedy()), run(adaptive_policy())

    assert adapted.throughput == pytest.approx(greedy.throughput, rel=0.01)
    assert adapted.mean_latency < 1.03 * greedy.mean_latency


@pytest.mark.parametrize("clients", [2, 8, 64])
@pytest.mark.parametrize("think", matrix([1, 10, 100], 10))
def test_clients_with_think_time_are_not_waited_for_in_vain(clients: int, think: float) -> None:
    def run(policy: Policy) -> Outcome:
        return Simulation(policy, turnaround=ExponentialDelay(think * MILLISECOND)).closed(
            clients, seconds=4.0
        )

    greedy, adapted = run(Greedy()), run(adaptive_policy())

    assert adapted.throughput > 0.98 * greedy.throughput
    assert adapted.mean_latency < 1.03 * greedy.mean_latency


def test_a_single_clients_latency_is_the_time_of_its_batch() -> None:
    alone = closed(adaptive_policy(), 1, 0.1 * MILLISECOND)

    assert max(alone.latencies) == pytest.approx(5.1 * MILLISECOND)


def test_a_batch_is_never_larger_than_it_may_be() -> None:
    simulation = Simulation(adaptive_policy(max_size=24), max_size=24)

    assert max(simulation.closed(64, seconds=1.0).sizes) == 24
