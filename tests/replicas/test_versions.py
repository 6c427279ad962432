"""Which version of a runner is hosted, with real processes: while a newer one loads, and when workers go."""

from pathlib import Path

import pytest

from tests.replicas.stub_service import Fleet, WebWorker, exists, lives, spec, wait_until

pytestmark = pytest.mark.processes


def test_an_older_version_answers_until_the_newer_one_is_ready(fleet: Fleet, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    old, new = fleet.worker(), fleet.worker()
    old_key = old.host(spec(version="1"))
    (old_replica,) = old.wait_for(old_key, "ready")
    new_key = new.host(spec(version="2", gate=gate))

    told = new.wait_for(new_key, "starting", "ready")
    old.control.close()
    assert [replica.version for replica in told] == ["2", "1"]
    assert lives(old_replica.pid)

    gate.touch()
    new.wait_for(new_key, "ready")
    wait_until(lambda: not exists(old_replica.pid))


def test_an_older_version_stays_while_a_worker_wants_it(fleet: Fleet) -> None:
    old, new = fleet.worker(), fleet.worker()
    old_key = old.host(spec(version="1"))
    old_replicas = old.wait_for(old_key, "ready")

    new.wait_for(new.host(spec(version="2")), "ready")

    assert old.replicas(old_key) == old_replicas
    assert lives(old_replicas[0].pid)


def test_what_is_released_goes(worker: WebWorker) -> None:
    released, kept = worker.host(spec()), worker.host(spec(name="other"))
    replica = worker.wait_for(released, "ready")[0]
    kept_replicas = worker.wait_for(kept, "ready")

    worker.control.release(released)

    wait_until(lambda: not exists(replica.pid))
    assert worker.replicas(kept) == kept_replicas


def test_a_worker_that_vanishes_retires_nothing(fleet: Fleet) -> None:
    key = fleet.worker().host(spec())
    first = fleet.workers[0].wait_for(key, "ready")
    fleet.workers[0].control.close()

    second = fleet.worker()
    second.host(spec())

    assert second.wait_for(key, "ready") == first


def test_what_was_released_can_be_hosted_again(worker: WebWorker) -> None:
    key = worker.host(spec())
    replica = worker.wait_for(key, "ready")[0]
    worker.control.release(key)
    wait_until(lambda: not exists(replica.pid))

    worker.host(spec())

    wait_until(lambda: worker.states(key) == ["ready"] and worker.replicas(key)[0].pid != replica.pid)
