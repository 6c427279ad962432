"""What is decided about a runner's replicas by what they have done; loads and times are passed in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aylien_model_serving.replicas.supervisor import scaling
from aylien_model_serving.replicas.supervisor.scaling import Activity
from aylien_model_serving.rpc.control_messages import Load


@pytest.mark.parametrize(
    ("limits", "calls", "mib", "reason"),
    [
        ({"calls": 10}, 9, 1e6, ""),
        ({"calls": 10}, 10, 0.0, "it has answered 10 calls"),
        ({"mb": 200}, 10**9, 200.0, ""),
        ({"mb": 200}, 0, 200.6, "it has 201 MiB of memory"),
        ({"calls": 10, "mb": 200}, 11, 300.0, "it has answered 11 calls"),
        ({}, 10**9, 1e6, ""),
    ],
)
def test_a_replica_is_replaced_at_its_number_of_calls_or_above_its_memory(
    limits: dict[str, float], calls: int, mib: float, reason: str
) -> None:
    assert scaling.reason_to_recycle(limits, calls, mib, loaded_mib=100.0) == reason


def test_a_replica_is_not_replaced_for_the_memory_that_its_model_needs() -> None:
    assert scaling.reason_to_recycle({"mb": 200}, 0, 300.0, loaded_mib=250.0) == ""


def test_what_a_replica_has_done_is_the_difference_of_two_loads() -> None:
    before, after = Load(10, 5, 1.0, 2.0, 3, 4), Load(12, 6, 1.5, 2.5, 1, 0)

    assert scaling.activity(before, after) == Activity(2, 1, 0.5, 0.5, 1, 0)
    assert scaling.activity(None, after) == Activity(12, 6, 1.5, 2.5, 1, 0)


def test_replicas_are_added_up() -> None:
    assert scaling.total([Activity(1, 1, 0.5, 0.1, 2, 1), Activity(3, 2, 0.5, 0.2, 0, 1)]) == pytest.approx(
        Activity(4, 3, 1.0, 0.3, 2, 2)
    )
    assert scaling.total([]) == Activity()


@pytest.mark.parametrize("load", [Activity(calls=1), Activity(waiting=1), Activity(running=1)])
def test_a_call_makes_a_runner_active(load: Activity) -> None:
    assert load.is_active
    assert not Activity(busy=0.1).is_active


@given(st.lists(st.tuples(st.floats(0.1, 5.0), st.booleans()), min_size=1, max_size=40))
def test_a_runner_is_idle_when_its_last_call_is_long_ago(looks: list[tuple[float, bool]]) -> None:
    timer, now, active_at = scaling.IdleTimer(10.0), 100.0, None

    for pause, is_active in looks:
        now += pause
        if is_active or active_at is None:
            active_at = now
        assert timer.is_over(Activity(calls=int(is_active)), now) == (now - active_at >= 10.0)


def test_a_runner_that_is_loaded_again_has_its_whole_time() -> None:
    timer = scaling.IdleTimer(10.0)
    timer.is_over(Activity(), 0.0)

    timer.restart()

    assert not timer.is_over(Activity(), 100.0)
    assert timer.is_over(Activity(), 110.0)


def test_without_the_option_nothing_is_idle() -> None:
    timer = scaling.IdleTimer(None)

    assert not timer.is_over(Activity(), 0.0)
    assert not timer.is_over(Activity(), 1e9)


class Simulated:
    """A runner under a load that is the same each second; its replicas are ready at once.

    Args:
        rate: calls in a second.
        run_seconds: of each call.
        least: replicas.
        most: replicas.
    """

    def __init__(self, rate: float, run_seconds: float, least: int = 1, most: int = 4) -> None:
        self.rate = rate
        self.replicas = least
        self.changes: list[tuple[float, int]] = []
        self._run_seconds = run_seconds
        self._scaler = scaling.Autoscaler(least, most)
        self._now = 0.0

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            self._now += 1
            change = self._scaler.decide(self._activity(), self.replicas, self._now)
            if change:
                self.replicas += change
                self.changes.append((self._now, self.replicas))
                self._scaler.restart()

    def _activity(self) -> Activity:
        """Calls wait for three runs where there are more than replicas can answer, and else not at all."""
        busy = self.rate * self._run_seconds
        runs = int(min(self.rate, self.replicas / self._run_seconds))
        wait = 3 * self._run_seconds if busy > self.replicas else 0.0
        return Activity(runs, runs, min(busy, self.replicas), wait * runs, int(wait > 0), int(busy > 0))


def test_a_runner_grows_while_its_calls_wait_and_no_further_than_is_needed() -> None:
    runner = Simulated(rate=25, run_seconds=0.1)

    runner.run(9)
    assert runner.replicas == 1
    runner.run(100)

    assert runner.changes == [(11.0, 2), (22.0, 3)]


def test_a_runner_grows_to_its_most() -> None:
    runner = Simulated(rate=1000, run_seconds=0.1)

    runner.run(200)

    assert runner.replicas == 4


def test_a_runner_shrinks_after_a_while_with_less_to_do() -> None:
    runner = Simulated(rate=25, run_seconds=0.1)
    runner.run(30)

    runner.rate = 1
    runner.run(60)
    assert runner.replicas == 3
    runner.run(140)

    assert [replicas for _, replicas in runner.changes] == [2, 3, 2, 1]


@given(
    rate=st.integers(1, 200),
    run_seconds=st.floats(0.06, 1.0),
    least=st.integers(1, 3),
    further=st.integers(1, 5),
)
def test_a_runner_under_an_even_load_does_not_change_for_ever(
    rate: int, run_seconds: float, least: int, further: int
) -> None:
    runner = Simulated(rate, run_seconds, least, least + further)

    runner.run(1000)
    settled = runner.replicas
    runner.run(500)

    assert least <= runner.replicas <= least + further
    assert runner.replicas == settled


def test_calls_that_wait_while_none_is_answered_wait_too_long() -> None:
    scaler = scaling.Autoscaler(1, 2)

    changes = [scaler.decide(Activity(waiting=1, running=1, busy=1.0), 1, float(now)) for now in range(11)]

    assert changes == [0] * 10 + [1]


def test_what_a_batch_waits_for_others_is_not_too_long() -> None:
    load = Activity(calls=100, runs=10, busy=0.1, waited=15.0)
    plain, batched = scaling.Autoscaler(1, 2), scaling.Autoscaler(1, 2, batch_wait=0.2)

    for now in range(10):
        plain.decide(load, 1, float(now))
        batched.decide(load, 1, float(now))

    assert plain.decide(load, 1, 10.0) == 1
    assert batched.decide(load, 1, 10.0) == 0
