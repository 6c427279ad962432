"""The rollout of versions with real processes: while a newer one loads, and when workers release or exit."""

from pathlib import Path

import pytest

from tests.replicas.stub_service import StubService, StubWorker, exists, lives, spec, wait_until

pytestmark = pytest.mark.processes


def test_an_older_version_answers_until_the_newer_one_is_ready(service: StubService, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    old, new = service.worker(), service.worker()
    old_key = old.host(spec(version="1"))
    (old_replica,) = old.wait_for(old_key, "ready")
    new_key = new.host(spec(version="2", gate=gate))

    announced = new.wait_for(new_key, "starting", "ready")
    old.client.close()
    assert [replica.version for replica in announced] == ["2", "1"]
    assert lives(old_replica.pid)

    gate.touch()
    new.wait_for(new_key, "ready")
    wait_until(lambda: not exists(old_replica.pid))


def test_an_older_version_stays_while_a_worker_needs_it(service: StubService) -> None:
    old, new = service.worker(), service.worker()
    old_key = old.host(spec(version="1"))
    old_replicas = old.wait_for(old_key, "ready")

    new.wait_for(new.host(spec(version="2")), "ready")

    assert old.replicas(old_key) == old_replicas
    assert lives(old_replicas[0].pid)


def test_a_released_version_is_drained(worker: StubWorker) -> None:
    released, kept = worker.host(spec()), worker.host(spec(name="other"))
    replica = worker.wait_for(released, "ready")[0]
    kept_replicas = worker.wait_for(kept, "ready")

    worker.client.release(released)

    wait_until(lambda: not exists(replica.pid))
    assert worker.replicas(kept) == kept_replicas


def test_a_worker_that_exits_retires_nothing(service: StubService) -> None:
    key = service.worker().host(spec())
    first = service.workers[0].wait_for(key, "ready")
    service.workers[0].client.close()

    second = service.worker()
    second.host(spec())

    assert second.wait_for(key, "ready") == first


def test_a_released_version_can_be_hosted_again(worker: StubWorker) -> None:
    key = worker.host(spec())
    replica = worker.wait_for(key, "ready")[0]
    worker.client.release(key)
    wait_until(lambda: not exists(replica.pid))

    worker.host(spec())

    wait_until(lambda: worker.states(key) == ["ready"] and worker.replicas(key)[0].pid != replica.pid)


def test_who_calls_a_runner_by_its_name_has_it_hosted_if_nobody_has(service: StubService) -> None:
    first, second = service.worker(), service.worker()
    key = first.follow(spec(name="rank"))
    replicas = first.wait_for(key, "ready")

    second.follow(spec(name="rank", timeout=3.0))

    assert second.wait_for(key, "ready") == replicas


def test_who_calls_a_runner_by_its_name_hosts_the_code_of_a_later_generation(service: StubService) -> None:
    old, new = service.worker(), service.worker()
    key = old.follow(spec(name="rank", version="0"))
    (replica,) = old.wait_for(key, "ready")

    new.follow(spec(name="rank", version="1", generation=1))
    old.client.close()

    wait_until(lambda: [each.version for each in new.replicas(key)] == ["1"])
    wait_until(lambda: not exists(replica.pid))
