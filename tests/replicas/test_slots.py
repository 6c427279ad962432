"""The states of a replica's slot, with a stub process and times that are passed in."""

import pytest

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.executors.ray_options import RayOptions
from aylien_model_serving.replicas.supervisor.slots import ReplicaSlot
from aylien_model_serving.rpc.spec import Spec


class StubProcess:
    """A process that records what is done to it."""

    pid = 7
    needs_polling = False

    def __init__(self) -> None:
        self.done: list[str] = []

    def poll(self) -> None:
        self.done.append("poll")

    def ask(self) -> None:
        self.done.append("ask")

    def ask_load(self) -> None:
        self.done.append("ask load")

    def drain(self, until: float) -> None:
        self.done.append("drain")

    def kill(self) -> None:
        self.done.append("kill")


class SlotScene:
    """A slot, the processes that were started for it, and what its flight recorder says."""

    def __init__(self, **fields: object) -> None:
        self.processes: list[StubProcess] = []
        self.running_since: float | None = None
        self.error: Exception | None = None
        spec = Spec(name="model", target="a:b", version="v", **fields)  # type: ignore[arg-type]
        self.slot = ReplicaSlot(spec, 1, "cuda:2", self._launch, lambda record: self.running_since, now=0.0)

    def _launch(self, slot: ReplicaSlot) -> StubProcess:
        if self.error is not None:
            raise self.error
        slot.incarnation += 1
        self.processes.append(StubProcess())
        return self.processes[-1]

    def ready_at(self, now: float) -> None:
        self.slot.run_due(now)
        self.slot.on_loading(now)
        self.slot.on_ready(now)

    def die_at(self, now: float) -> float:
        """End the process, and return the pause that follows."""
        self.slot.on_exit("was ended by SIGKILL", now)
        assert self.slot.due is not None
        return self.slot.due - now


def test_a_slot_starts_a_process_at_once() -> None:
    scene = SlotScene()

    scene.slot.run_due(0.0)

    replica = scene.slot.replica()
    assert (replica.state, replica.pid, replica.restarts, replica.error) == ("starting", 7, 0, "")
    assert (replica.number, replica.device, replica.version) == (1, "cuda:2", "v")
    assert scene.slot.due is None


def test_nothing_is_due_while_a_replica_serves_without_limits() -> None:
    scene = SlotScene(unresponsive_after=None)

    scene.ready_at(1.0)

    assert (scene.slot.state, scene.slot.due) == ("ready", None)


def test_pauses_grow_with_deaths_in_a_row_and_shrink_after_good_work() -> None:
    scene = SlotScene()
    pauses, now = [], 0.0

    for _ in range(12):
        scene.slot.run_due(now)
        pauses.append(scene.die_at(now))
        now += pauses[-1]
    scene.ready_at(now)
    pause_after_work = scene.die_at(now + 10)

    assert pauses[:5] == pytest.approx([0.0, 0.1, 0.2, 0.4, 0.8])
    assert pauses[-1] == pytest.approx(30.0)
    assert pause_after_work == 0.0


def test_a_death_is_announced_until_the_next_one_is_ready() -> None:
    scene = SlotScene()
    scene.ready_at(0.0)

    scene.die_at(1.0)
    waiting = scene.slot.replica()
    scene.slot.run_due(1.0)
    starting = scene.slot.replica()
    scene.slot.on_ready(2.0)
    ready = scene.slot.replica()

    assert (waiting.state, waiting.pid, waiting.error) == ("waiting", 0, "was ended by SIGKILL")
    assert (starting.state, starting.restarts, starting.error) == ("starting", 1, "was ended by SIGKILL")
    assert (ready.state, ready.error) == ("ready", "")


def test_a_failed_build_is_announced_and_retried() -> None:
    scene = SlotScene()
    scene.slot.run_due(0.0)

    scene.slot.on_failed("x" * 3000 + "ValueError", 1.0)
    scene.slot.on_exit("ended with status 1", 1.1)

    replica = scene.slot.replica()
    assert (replica.state, len(replica.error), replica.error[-11:]) == ("failed", 2000, "xValueError")
    scene.slot.run_due(1.1)
    assert scene.slot.replica().state == "starting"
    assert len(scene.processes) == 2


def test_a_replica_that_failed_and_does_not_exit_is_killed() -> None:
    scene = SlotScene()
    scene.slot.run_due(0.0)
    scene.slot.on_failed("ValueError", 1.0)

    scene.slot.run_due(1.9)
    assert scene.processes[0].done == []
    scene.slot.run_due(2.0)

    assert scene.processes[0].done == ["kill"]


@pytest.mark.parametrize("error", [OSError("no memory"), ConfigurationError("no such device")])
def test_a_process_that_cannot_be_started_is_a_failure(error: Exception) -> None:
    scene = SlotScene()
    scene.error = error

    scene.slot.run_due(0.0)
    first = scene.slot.replica()
    scene.slot.run_due(0.0)

    assert (first.state, first.error) == ("failed", str(error))
    assert scene.slot.due == pytest.approx(0.1)


def test_the_start_timeout_runs_from_the_begin_of_loading() -> None:
    scene = SlotScene(start_timeout=5.0)
    scene.slot.run_due(0.0)
    scene.slot.run_due(1000.0)
    assert scene.slot.due is None

    scene.slot.on_loading(1000.0)
    scene.slot.run_due(1004.9)
    assert scene.processes[0].done == []
    scene.slot.run_due(1005.0)

    assert scene.processes[0].done == ["kill"]
    assert scene.slot.replica().error == "It was not ready within 5 seconds"


def test_a_replica_whose_run_takes_too_long_is_killed() -> None:
    scene = SlotScene(kill_after=2.0, unresponsive_after=None)
    scene.ready_at(10.0)

    scene.slot.run_due(12.0)
    scene.running_since = 12.5
    scene.slot.run_due(14.0)
    assert (scene.processes[0].done, scene.slot.due) == ([], 14.5)
    scene.slot.run_due(14.5)
    scene.slot.on_exit("was ended by SIGKILL", 14.6)

    assert scene.processes[0].done == ["kill"]
    assert scene.slot.replica().error == "was killed: one call took longer than 2 seconds"


def beat_until(scene: SlotScene, end: float) -> list[tuple[float, str]]:
    """Do what is due until a time, and return the changes of the state with their times."""
    changes = [(0.0, scene.slot.state)]
    while scene.slot.due is not None and scene.slot.due <= end:
        now = scene.slot.due
        scene.slot.run_due(now)
        if scene.slot.state != changes[-1][1]:
            changes.append((now, scene.slot.state))
    return changes[1:]


def test_a_replica_that_answers_its_heartbeats_stays_ready() -> None:
    scene = SlotScene(unresponsive_after=10.0)
    scene.ready_at(100.0)

    for end in range(101, 131):
        assert beat_until(scene, end) == []
        scene.slot.on_heartbeat()

    assert scene.processes[0].done == ["ask"] * 30


def test_a_silent_replica_is_unresponsive_after_a_while_and_ready_when_it_answers() -> None:
    scene = SlotScene(unresponsive_after=10.0)
    scene.ready_at(100.0)

    changes = beat_until(scene, 1000.0)
    silent = scene.slot.replica()
    scene.slot.on_heartbeat()
    back = scene.slot.replica()

    assert changes == [(111.0, "unresponsive")]
    assert (silent.pid, silent.error) == (7, "has answered no heartbeat for 10 seconds")
    assert (back.state, back.error, back.restarts) == ("ready", "", 0)
    assert scene.processes[0].done == ["ask"]


def test_a_silent_replica_is_killed_where_a_time_is_given() -> None:
    scene = SlotScene(unresponsive_after=10.0, kill_after=30.0)
    scene.ready_at(100.0)

    changes = beat_until(scene, 1000.0)
    killed = list(scene.processes[0].done)
    scene.slot.on_exit("was ended by SIGKILL", 131.0)
    told = scene.slot.replica()
    scene.slot.run_due(131.0)
    scene.slot.on_ready(132.0)

    assert changes == [(111.0, "unresponsive")]
    assert killed == ["ask", "kill"]
    assert (told.state, told.error) == ("waiting", "was killed: it answered no heartbeat for 30 seconds")
    assert scene.slot.replica().state == "ready"
    assert scene.processes[1].done == []


def test_a_silent_replica_is_not_killed_before_it_counts_as_unresponsive() -> None:
    scene = SlotScene(unresponsive_after=10.0, kill_after=0.5)
    scene.ready_at(100.0)

    beat_until(scene, 110.9)
    assert scene.processes[0].done == ["ask"]
    beat_until(scene, 111.0)

    assert scene.processes[0].done == ["ask", "kill"]


def test_an_unresponsive_replica_without_a_run_has_nothing_to_finish() -> None:
    scene = SlotScene(unresponsive_after=10.0)
    scene.ready_at(100.0)
    beat_until(scene, 1000.0)

    scene.slot.drain(until=1030.0)

    assert (scene.slot.state, scene.processes[0].done) == ("draining", ["ask", "kill"])


def test_an_unresponsive_replica_may_finish_its_run_when_it_is_drained() -> None:
    scene = SlotScene(unresponsive_after=10.0)
    scene.ready_at(100.0)
    scene.running_since = 100.0
    beat_until(scene, 1000.0)

    scene.slot.drain(until=1030.0)
    scene.slot.on_heartbeat()
    scene.slot.run_due(1029.0)
    assert (scene.slot.state, scene.processes[0].done) == ("draining", ["ask", "drain"])
    scene.slot.run_due(1030.0)

    assert scene.processes[0].done == ["ask", "drain", "kill"]


def test_a_drained_replica_finishes_and_is_not_replaced() -> None:
    scene = SlotScene()
    scene.ready_at(0.0)

    scene.slot.drain(until=30.0)
    assert (scene.slot.state, scene.slot.due, scene.slot.is_finished) == ("draining", 30.0, False)
    scene.slot.on_exit("ended with status 0", 3.0)
    scene.slot.run_due(1000.0)

    assert scene.slot.is_finished
    assert scene.processes[0].done == ["drain"]
    assert len(scene.processes) == 1


def test_a_drained_replica_that_does_not_exit_is_killed() -> None:
    scene = SlotScene()
    scene.ready_at(0.0)
    scene.slot.drain(until=30.0)

    scene.slot.run_due(30.0)

    assert scene.processes[0].done == ["drain", "kill"]


def test_a_draining_replica_is_told_when_it_has_less_time_for_it_may_have_jobs_to_give_back() -> None:
    scene = SlotScene()
    scene.ready_at(0.0)
    scene.slot.drain(until=30.0)

    scene.slot.drain(until=1.5)
    scene.slot.run_due(1.5)

    assert scene.processes[0].done == ["drain", "drain", "kill"]


def test_a_replica_that_is_not_ready_has_nothing_to_finish() -> None:
    scene = SlotScene()
    scene.slot.run_due(0.0)

    scene.slot.drain(until=30.0)

    assert scene.processes[0].done == ["kill"]


def test_a_slot_without_a_process_is_finished_when_it_is_drained() -> None:
    scene = SlotScene()

    scene.slot.drain(until=30.0)
    scene.slot.run_due(1.0)

    assert scene.slot.is_finished
    assert scene.processes == []


def test_a_gateway_whose_cluster_is_gone_is_announced_as_failed_until_it_is_ready() -> None:
    scene = SlotScene(ray=RayOptions())
    scene.slot.run_due(0.0)
    first = scene.slot.replica().state
    scene.slot.on_ready(1.0)
    scene.slot.on_failed("the head is gone", 2.0)
    scene.slot.on_exit("ended with status 1", 2.5)
    scene.slot.run_due(scene.slot.due or 0.0)
    again = scene.slot.replica()
    scene.slot.on_ready(60.0)

    assert (first, again.state, again.error) == ("starting", "failed", "the head is gone")
    assert (scene.slot.replica().state, scene.slot.replica().error) == ("ready", "")
