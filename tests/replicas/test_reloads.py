"""How a deployment has its weights loaded again, with stub processes and times that are passed in."""

import pytest

from aylien_model_serving.rpc.control_messages import Load, ReloadState
from tests.replicas.test_deployment import Scene


def state(scene: Scene) -> ReloadState:
    found = scene.deployment.last_reload().reload
    assert found is not None
    return found


def told(scene: Scene) -> tuple[str, int, int]:
    found = state(scene)
    return found.state, found.replaced, found.replicas


def begun(**fields: object) -> Scene:
    """Return a deployment that is being loaded again."""
    scene = Scene(**fields)
    answer = scene.deployment.begin_reload(scene.now)
    assert not answer.is_refused
    scene.run()
    return scene


def end(scene: Scene, place: int) -> None:
    scene.slots[place].on_exit("ended with status 0", scene.now)
    scene.run()


def test_each_replica_takes_calls_until_its_successor_is_ready_and_has_ended_before_the_next_one_begins() -> (
    None
):
    scene = begun(replicas=2)
    assert scene.states == [(0, "ready"), (0, "starting"), (1, "ready")]

    scene.slots[1].on_ready(scene.now)
    scene.run()
    assert scene.states == [(0, "draining"), (0, "ready"), (1, "ready")]
    assert told(scene) == ("running", 0, 2)

    end(scene, 0)
    assert scene.states == [(0, "ready"), (1, "ready"), (1, "starting")]
    assert told(scene) == ("running", 1, 2)

    scene.slots[2].on_ready(scene.now)
    scene.run()
    end(scene, 1)
    assert scene.states == [(0, "ready"), (1, "ready")]
    assert told(scene) == ("done", 2, 2)
    assert scene.deployment.due is None


def test_a_successor_that_can_not_be_built_ends_and_the_replica_stays() -> None:
    scene = begun(replicas=2)

    scene.slots[1].on_failed("Traceback\nValueError: no weights", scene.now)
    scene.run()

    assert told(scene) == ("failed", 0, 2)
    assert state(scene).error.endswith("ValueError: no weights")
    assert scene.processes[2].done[-1] == "kill"
    scene.slots[1].on_exit("ended with status 1", scene.now)
    scene.run(100.0)
    assert scene.states == [(0, "ready"), (1, "ready")]
    assert len(scene.processes) == 3


def test_a_successor_that_dies_while_it_loads_is_a_failure() -> None:
    scene = begun()

    scene.slots[1].on_exit("was ended by SIGKILL", scene.now)
    scene.run()

    assert told(scene) == ("failed", 0, 1)
    assert state(scene).error == "was ended by SIGKILL"
    assert scene.states == [(0, "ready")]


def test_what_takes_too_long_is_given_up() -> None:
    scene = begun(start_timeout=20.0)

    scene.slots[1].on_loading(scene.now)  # which begins that time anew, again and again
    scene.run(19.0)
    scene.slots[1].on_loading(scene.now)
    scene.run(19.0)
    scene.slots[1].on_loading(scene.now)
    scene.run(12.0)

    assert told(scene) == ("failed", 0, 1)
    assert state(scene).error == "It was not over within 50 seconds"
    assert scene.states[0] == (0, "ready")


def test_a_second_one_is_refused_while_the_first_goes_on() -> None:
    scene = begun()
    first = state(scene)

    answer = scene.deployment.begin_reload(scene.now + 1)

    assert answer.is_refused
    assert answer.reload == first
    assert len(scene.processes) == 2


def test_a_replica_that_does_not_take_calls_is_replaced_at_once() -> None:
    scene = Scene()
    scene.slots[0].on_exit("was ended by SIGKILL", scene.now)

    scene.deployment.begin_reload(scene.now)
    scene.run()

    assert scene.states == [(0, "starting")]
    scene.slots[0].on_ready(scene.now)
    scene.run()
    assert told(scene) == ("done", 1, 1)


def test_the_successor_stays_and_is_started_again_where_no_other_replica_is_left() -> None:
    scene = Scene()
    scene.slots[0].on_exit("was ended by SIGKILL", scene.now)
    scene.deployment.begin_reload(scene.now)
    scene.run()

    scene.slots[0].on_failed("ValueError: no weights", scene.now)
    scene.run()
    assert told(scene) == ("failed", 0, 1)
    scene.slots[0].on_exit("ended with status 1", scene.now)
    scene.run(10.0)
    assert scene.states == [(0, "starting")]


def test_a_replica_that_is_being_recycled_is_replaced_by_one_that_loads_from_then_on() -> None:
    scene = Scene(recycle_after={"calls": 10})
    scene.look(Load(calls=10))
    assert scene.states == [(0, "ready"), (0, "starting")]

    scene.deployment.begin_reload(scene.now)
    scene.run()

    assert sorted(scene.states) == [(0, "draining"), (0, "ready"), (0, "starting")]
    assert scene.processes[1].done[-1] == "kill"
    assert len(scene.processes) == 3


def test_nothing_is_recycled_meanwhile() -> None:
    scene = begun(replicas=2, recycle_after={"calls": 10})

    scene.look(Load(calls=10), Load(), Load(calls=10))
    scene.look(Load(calls=10), Load(), Load(calls=10))

    assert scene.states == [(0, "ready"), (0, "starting"), (1, "ready")]


def test_a_runner_that_is_unloaded_has_nothing_to_replace() -> None:
    scene = Scene(idle=5.0)
    scene.look(Load())
    scene.run(10.0)
    scene.look(Load())
    assert scene.states == [(0, "idle")]

    answer = scene.deployment.begin_reload(scene.now)

    assert answer.reload is not None
    assert (answer.reload.state, answer.reload.replicas) == ("done", 0)


@pytest.mark.parametrize("place", [0, 1])
def test_the_end_of_the_deployment_is_the_end_of_it(place: int) -> None:
    scene = begun()
    if place:
        scene.slots[1].on_ready(scene.now)
        scene.run()

    scene.deployment.drain(scene.now)
    scene.run()

    assert told(scene) == ("failed", 0, 1)
