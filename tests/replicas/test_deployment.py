"""What a deployment does about its replicas, with stub processes and times that are passed in."""

from typing import Any

import pytest

from aylien_model_serving.replicas.supervisor.deployment import Deployment
from aylien_model_serving.replicas.supervisor.slots import ReplicaSlot
from aylien_model_serving.rpc.control_messages import Load
from aylien_model_serving.rpc.spec import Spec
from tests.replicas.test_slots import StubProcess


class Scene:
    """A deployment whose replicas are ready, the processes that were started for it, and their memory."""

    def __init__(self, **fields: Any) -> None:
        self.now = 0.0
        self.mib = 100.0
        self.processes: list[StubProcess] = []
        self.left_mib = 1000.0
        spec = Spec(name="model", target="a:b", unresponsive_after=None, **fields)
        slots = [self._slot(spec, number, "cpu") for number in range(spec.least_replicas)]
        self.deployment = Deployment(
            spec, slots, self._slot, spec.most_replicas, self.now, lambda pid: self.mib, lambda: self.left_mib
        )
        self.run()
        for slot in slots:
            slot.on_ready(self.now)

    def _slot(self, spec: Spec, number: int, device: str | None) -> ReplicaSlot:
        return ReplicaSlot(spec, number, device or "cuda:7", self._launch, lambda record: None, self.now)

    def _launch(self, slot: ReplicaSlot) -> StubProcess:
        self.processes.append(StubProcess())
        return self.processes[-1]

    @property
    def slots(self) -> list[ReplicaSlot]:
        return self.deployment.slots

    @property
    def states(self) -> list[tuple[int, str]]:
        return [(slot.number, slot.state) for slot in self.slots]

    def run(self, seconds: float = 0.0) -> None:
        """Have time pass, and whatever is due be done."""
        self.now += seconds
        self.deployment.run_due(self.now)
        for slot in self.slots:
            slot.run_due(self.now)

    def look(self, *loads: Load) -> None:
        """Let the replicas tell their loads, and have them looked at."""
        for slot, load in zip(self.slots, loads, strict=False):
            slot.on_load(load)
        self.run(1.0)


def test_a_replica_with_enough_calls_takes_more_until_its_successor_is_ready() -> None:
    scene = Scene(recycle_after={"calls": 10})

    scene.look(Load(calls=10))
    assert scene.states == [(0, "ready"), (0, "starting")]
    assert "drain" not in scene.processes[0].done

    scene.slots[1].on_ready(scene.now)
    scene.run()
    assert scene.states == [(0, "draining"), (0, "ready")]
    assert scene.processes[0].done[-1] == "drain"

    scene.slots[0].on_exit("ended with status 0", scene.now)
    scene.run()
    assert scene.states == [(0, "ready")]
    assert len(scene.processes) == 2


def test_a_replica_is_asked_for_its_load_once_until_it_answers() -> None:
    scene = Scene(recycle_after={"calls": 10})

    scene.run(1.0)
    scene.run(1.0)
    assert scene.processes[0].done == ["ask load"]

    scene.look(Load(calls=1))
    assert scene.processes[0].done == ["ask load"] * 2


def test_replicas_of_a_runner_without_such_options_are_asked_nothing() -> None:
    scene = Scene()

    scene.run(100.0)

    assert scene.deployment.due is None
    assert scene.processes[0].done == []


def test_one_replica_is_replaced_at_a_time() -> None:
    scene = Scene(replicas=2, recycle_after={"calls": 10})

    scene.look(Load(calls=10), Load(calls=10))
    scene.look(Load(calls=10), Load(), Load(calls=10))
    assert scene.states == [(0, "ready"), (0, "starting"), (1, "ready")]

    scene.slots[1].on_ready(scene.now)
    scene.run()
    scene.slots[0].on_exit("ended with status 0", scene.now)
    scene.look()
    assert scene.states == [(0, "ready"), (1, "ready"), (1, "starting")]


def test_a_replica_that_is_not_well_is_replaced_when_another_one_is_ready() -> None:
    scene = Scene()

    scene.slots[0].on_unhealthy("health() says no")
    scene.run()
    assert scene.states == [(0, "ready"), (0, "starting")]

    scene.slots[1].on_ready(scene.now)
    scene.run()
    assert scene.states == [(0, "draining"), (0, "ready")]


def test_a_replica_that_is_not_well_ends_where_another_one_can_not_be_built_beside_it() -> None:
    scene = Scene()
    scene.slots[0].on_unhealthy("health() says no")
    scene.run()

    scene.slots[1].on_failed("CUDA out of memory", scene.now)
    scene.run()
    assert scene.states == [(0, "draining"), (0, "failed")]
    scene.slots[1].on_exit("ended with status 1", scene.now)
    scene.run(1.0)
    assert scene.states[-1] == (0, "starting")


def test_a_replica_that_grows_is_replaced() -> None:
    scene = Scene(recycle_after={"mb": 200})

    scene.look(Load())
    scene.mib = 250.0
    scene.look(Load())

    assert scene.states == [(0, "ready"), (0, "starting")]


def test_a_model_that_is_larger_than_its_limit_is_said_once_and_stays(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = Scene(recycle_after={"mb": 50})

    for _ in range(3):
        scene.look(Load())

    assert scene.states == [(0, "ready")]
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [
        "A replica of model has 100 MiB of memory as soon as it is loaded: it is not replaced for having "
        "more than 50, 'mb' of 'recycle_after'"
    ]


def test_a_successor_that_cannot_be_built_leaves_the_replica_where_it_is() -> None:
    scene = Scene(recycle_after={"calls": 10})
    scene.look(Load(calls=10))

    scene.slots[1].on_failed("ValueError", scene.now)
    scene.slots[1].on_exit("ended with status 1", scene.now)
    scene.look(Load(calls=20))

    assert scene.states == [(0, "ready"), (0, "starting")]
    assert "drain" not in scene.processes[0].done


def test_a_replica_that_dies_while_its_successor_loads_is_not_started_again() -> None:
    scene = Scene(recycle_after={"calls": 10})
    scene.look(Load(calls=10))

    scene.slots[0].on_exit("was ended by SIGKILL", scene.now)
    scene.run()

    assert scene.states == [(0, "starting")]
    assert len(scene.processes) == 2


def test_a_version_that_retires_drains_both_replicas() -> None:
    scene = Scene(recycle_after={"calls": 10})
    scene.look(Load(calls=10))

    scene.deployment.drain(scene.now)

    assert scene.states == [(0, "draining"), (0, "draining")]
    assert scene.processes[0].done[-1] == "drain"
    assert scene.processes[1].done[-1] == "kill"


def idle_at_last(scene: Scene) -> None:
    """Let a runner be without calls until it is unloaded."""
    for _ in range(4):
        scene.look(*[Load(calls=3)] * len(scene.slots))


def test_replicas_without_calls_are_unloaded_together() -> None:
    scene = Scene(replicas=2, idle=2.0)

    scene.look(Load(calls=3), Load())
    scene.look(Load(calls=3), Load())
    scene.look(Load(calls=3), Load(calls=1))
    scene.look(Load(calls=3), Load(calls=1))
    assert scene.states == [(0, "ready"), (1, "ready")]

    scene.look(Load(calls=3), Load(calls=1))
    assert scene.states == [(0, "idle"), (1, "idle")]
    assert [process.done[-1] for process in scene.processes] == ["drain", "drain"]
    assert all(replica.is_on_demand for replica in scene.deployment.replicas())
    assert scene.deployment.version_status().is_ready
    assert scene.deployment.due is None


def test_a_runner_with_a_call_in_its_handler_or_queue_is_not_unloaded() -> None:
    scene = Scene(idle=2.0)

    for _ in range(5):
        scene.look(Load(running=1))
        scene.look(Load(waiting=1))

    assert scene.states == [(0, "ready")]


def test_a_replica_that_does_not_tell_its_load_is_not_unloaded() -> None:
    scene = Scene(idle=2.0)
    scene.look(Load())

    scene.run(100.0)

    assert scene.states == [(0, "ready")]


def test_an_idle_runner_is_loaded_by_a_call_and_counts_as_on_demand_until_it_is_ready() -> None:
    scene = Scene(idle=2.0)
    idle_at_last(scene)
    scene.slots[0].on_exit("ended with status 0", scene.now)
    scene.run(1000.0)
    assert len(scene.processes) == 1

    scene.deployment.wake(scene.now)
    scene.run()
    loading = scene.slots[0].replica()
    scene.slots[0].on_ready(scene.now)
    ready = scene.slots[0].replica()

    assert (loading.state, loading.is_on_demand, loading.restarts) == ("starting", True, 0)
    assert (ready.state, ready.is_on_demand) == ("ready", False)
    idle_at_last(scene)
    assert scene.states == [(0, "idle")]


def test_a_call_that_meets_a_replica_on_its_way_out_has_another_follow() -> None:
    scene = Scene(idle=2.0)
    idle_at_last(scene)

    scene.deployment.wake(scene.now)
    scene.run()
    assert scene.states == [(0, "idle")]
    scene.slots[0].on_exit("ended with status 0", scene.now)
    scene.run()

    assert scene.states == [(0, "starting")]
    assert len(scene.processes) == 2


def test_a_model_that_cannot_be_loaded_again_is_failed() -> None:
    scene = Scene(idle=2.0)
    idle_at_last(scene)
    scene.slots[0].on_exit("ended with status 0", scene.now)
    scene.deployment.wake(scene.now)
    scene.run()

    scene.slots[0].on_failed("ValueError", scene.now)

    assert not scene.slots[0].replica().is_on_demand
    assert scene.slots[0].state == "failed"


def test_an_idle_version_that_retires_has_ended_at_once() -> None:
    scene = Scene(idle=2.0)
    idle_at_last(scene)
    scene.slots[0].on_exit("ended with status 0", scene.now)

    scene.deployment.drain(scene.now)

    assert scene.slots[0].is_finished


def waiting_for(scene: Scene, seconds: int) -> None:
    """Have calls wait for so many seconds."""
    for _ in range(seconds):
        scene.look(*[Load(waiting=1, running=1)] * len(scene.slots))


def test_a_runner_whose_calls_wait_gets_a_replica_on_a_device_of_its_own() -> None:
    scene = Scene(replicas=(1, 2))

    waiting_for(scene, 10)
    assert scene.states == [(0, "ready")]
    waiting_for(scene, 1)
    assert scene.states == [(0, "ready"), (1, "starting")]
    assert scene.slots[1].device == "cuda:7"

    scene.slots[1].on_ready(scene.now)
    waiting_for(scene, 30)
    assert scene.states == [(0, "ready"), (1, "ready")]


def test_a_runner_gets_no_replica_without_memory_for_it_which_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = Scene(replicas=(1, 2))
    scene.left_mib = 99.0

    waiting_for(scene, 30)

    assert scene.states == [(0, "ready")]
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [
        "model gets no further replica, though its calls wait: 99 MiB of memory are left, and one has 100"
    ]
    scene.left_mib = 101.0
    waiting_for(scene, 1)
    assert scene.states == [(0, "ready"), (1, "starting")]


def test_a_runner_with_less_to_do_drains_its_last_replica() -> None:
    scene = Scene(replicas=(1, 2))
    waiting_for(scene, 11)
    scene.slots[1].on_ready(scene.now)

    for _ in range(62):
        scene.look(*[Load()] * 2)
    assert scene.states == [(0, "ready"), (1, "draining")]
    scene.slots[1].on_exit("ended with status 0", scene.now)
    scene.run()

    assert scene.states == [(0, "ready")]


def test_an_idle_runner_comes_back_with_as_few_replicas_as_it_may_have() -> None:
    scene = Scene(replicas=(1, 2), idle=20.0)
    waiting_for(scene, 11)
    scene.slots[1].on_ready(scene.now)
    for _ in range(23):
        scene.look(*[Load()] * 2)
    assert scene.states == [(0, "idle"), (1, "draining")]
    for slot in list(scene.slots):
        slot.on_exit("ended with status 0", scene.now)

    scene.deployment.wake(scene.now)
    scene.run()

    assert scene.states == [(0, "starting")]


def test_who_releases_a_deployment_says_how_long_its_replicas_have() -> None:
    scene = Scene()
    first, last = object(), object()
    for worker in (first, last):
        scene.deployment.add_worker(worker, 0.0)

    scene.deployment.release(first, 600.0)
    assert not scene.deployment.version_status().is_released
    scene.deployment.release(last, 5.0)

    assert scene.deployment.version_status().is_released
    scene.deployment.drain(scene.now, scene.deployment.drains_within)
    assert [slot.due for slot in scene.slots] == [5.0]
