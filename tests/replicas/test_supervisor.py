"""The supervisor with real processes: it starts stubs, announces them, and leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from aylien_model_serving.rpc.spec import Spec
from tests.replicas.stub_service import (
    LEAVING_SECONDS,
    MARGIN,
    PROJECT,
    StubService,
    StubWorker,
    exists,
    lives,
    processes_of,
    spec,
    wait_until,
)
from tests.selection import full, matrix

pytestmark = pytest.mark.processes


def test_a_worker_gets_the_replicas_that_it_hosts(worker: StubWorker) -> None:
    key = worker.host(spec(replicas=2))

    replicas = worker.wait_for(key, "ready", "ready")

    assert [replica.number for replica in replicas] == [0, 1]
    assert all(exists(replica.pid) and Path(replica.socket).exists() for replica in replicas)
    assert len({replica.incarnation for replica in replicas}) == 2
    assert {(replica.restarts, replica.device, replica.error) for replica in replicas} == {(0, "cpu", "")}


def test_workers_that_host_the_same_spec_share_its_replicas(service: StubService) -> None:
    first, second = service.worker(), service.worker()

    key = first.host(spec())
    assert second.host(spec()) == key

    assert first.wait_for(key, "ready") == second.wait_for(key, "ready")


def test_of_eight_processes_that_host_at_once_one_starts_the_supervisor(service: StubService) -> None:
    command = [
        sys.executable,
        "-m",
        "tests.replicas.web_worker_program",
        str(service.home),
        str(service.owner.pid),
    ]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=PROJECT, text=True)
        for _ in range(8)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "started\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        printed = {process.stdout.readline() for process in processes if process.stdout is not None}
        supervisors = processes_of(service.home)
    finally:
        for process in processes:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.close()
            process.wait()
            process.stdout.close()  # whose other end the supervisor has, too

    assert len(supervisors) == 1
    assert len(printed) == 1
    assert json.loads(printed.pop())["pid"] > 0


@pytest.mark.parametrize("does", ["serve", "be stuck"])
def test_supervisor_and_replicas_exit_within_two_seconds_of_the_owner(
    service: StubService, worker: StubWorker, does: str
) -> None:
    key = worker.host(spec(does, replicas=2))
    pids = [replica.pid for replica in worker.wait_for(key, "ready", "ready")] + [service.supervisor()]

    service.end_owner()

    wait_until(lambda: not any(lives(pid) for pid in pids), LEAVING_SECONDS + MARGIN)
    wait_until(lambda: not any(exists(pid) for pid in pids))
    assert not service.home.exists()


@pytest.mark.parametrize("number", matrix([signal.SIGTERM, signal.SIGINT, signal.SIGHUP], signal.SIGTERM))
def test_the_supervisor_stays_while_its_owner_does(
    service: StubService, worker: StubWorker, number: int
) -> None:
    key = worker.host(spec())
    replica = worker.wait_for(key, "ready")[0]

    os.kill(service.supervisor(), number)
    os.kill(replica.pid, signal.SIGKILL)
    wait_until(lambda: worker.states(key) == ["ready"] and worker.replicas(key)[0].pid != replica.pid)

    assert exists(service.supervisor())


@pytest.mark.parametrize("does", matrix(["serve", "be stuck", "never ready"], "be stuck"))
def test_replicas_exit_with_a_killed_supervisor_and_are_started_by_the_next(
    service: StubService, worker: StubWorker, does: str
) -> None:
    key = worker.host(spec(does))
    wait_until(lambda: worker.replicas(key) and worker.replicas(key)[0].pid)
    replica, supervisor = worker.replicas(key)[0], service.supervisor()

    os.kill(supervisor, signal.SIGKILL)
    wait_until(lambda: worker.replicas(key) and worker.replicas(key)[0].pid not in (0, replica.pid))

    assert not lives(replica.pid)
    assert service.supervisor() != supervisor
    assert [] in worker.updates[key]
    wait_until(lambda: not exists(supervisor))
    wait_until(lambda: not Path(replica.socket).exists())


def test_a_replica_that_dies_is_started_again(worker: StubWorker) -> None:
    key = worker.host(spec(replicas=2))
    first, second = worker.wait_for(key, "ready", "ready")

    os.kill(first.pid, signal.SIGKILL)
    wait_until(lambda: worker.states(key) == ["ready", "ready"] and worker.replicas(key)[0].restarts == 1)

    again, other = worker.replicas(key)
    assert other == second
    assert again.incarnation > first.incarnation
    assert again.socket != first.socket
    assert not Path(first.socket).exists()
    assert not exists(first.pid)


def test_a_replica_that_dies_at_every_start_is_started_with_backoff(worker: StubWorker) -> None:
    key = worker.host(spec("die"))

    wait_until(lambda: worker.replicas(key) and worker.replicas(key)[0].restarts >= 3)

    waiting = [
        replica for updates in worker.updates[key] for replica in updates if replica.state == "waiting"
    ]
    assert {replica.error for replica in waiting} == {"was ended by SIGKILL"}
    assert {replica.pid for replica in waiting} == {0}


def test_a_replica_that_cannot_be_built_is_announced_with_the_end_of_its_error(worker: StubWorker) -> None:
    key = worker.host(spec("fail"))

    replica = worker.wait_for(key, "failed")[0]
    wait_until(lambda: worker.replicas(key)[0].restarts >= 2)

    assert len(replica.error) == 2000
    assert replica.error.endswith("xValueError: no such model")


def test_a_device_that_is_not_there_is_announced(worker: StubWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")

    key = worker.host(Spec(name="model", target="stub:stub", devices=("cuda:7",)))

    assert "'cuda:7' is not there: 1 GPUs are visible" in worker.wait_for(key, "failed")[0].error


def test_a_replica_that_is_not_ready_in_time_is_killed(worker: StubWorker) -> None:
    key = worker.host(spec("never ready", start_timeout=0.1))

    wait_until(lambda: worker.replicas(key) and worker.replicas(key)[0].restarts >= 1)

    errors = {replica.error for updates in worker.updates[key] for replica in updates}
    assert errors == {"", "It was not ready within 0.1 seconds"}


def test_a_replica_whose_call_takes_too_long_is_killed(worker: StubWorker) -> None:
    key = worker.host(spec("run for ever", kill_after=0.2))
    replica = worker.wait_for(key, "ready")[0]

    wait_until(lambda: worker.replicas(key)[0].restarts >= 1)

    assert not lives(replica.pid)
    errors = {replica.error for updates in worker.updates[key] for replica in updates}
    assert "was killed: one call took longer than 0.2 seconds" in errors


def test_an_idle_replica_is_not_killed(worker: StubWorker, tmp_path: Path) -> None:
    idle = worker.host(spec(name="idle", kill_after=0.05))
    busy = worker.host(spec("run for ever", name="busy", kill_after=0.2))
    replica = worker.wait_for(idle, "ready")

    wait_until(lambda: worker.replicas(busy) and worker.replicas(busy)[0].restarts >= 1)

    assert worker.replicas(idle) == replica


def test_what_a_replica_started_is_killed_with_it(worker: StubWorker, tmp_path: Path) -> None:
    key = worker.host(spec("have a child", child=tmp_path / "child"))
    replica = worker.wait_for(key, "ready")[0]
    child = int((tmp_path / "child").read_text())

    os.kill(replica.pid, signal.SIGKILL)

    wait_until(lambda: not lives(child))


def test_a_replica_that_violates_the_protocol_is_replaced(worker: StubWorker) -> None:
    key = worker.host(spec("violate the protocol"))

    wait_until(lambda: worker.replicas(key) and worker.replicas(key)[0].restarts >= 1)


def test_a_replica_is_started_with_its_command_and_environment(worker: StubWorker, tmp_path: Path) -> None:
    report = tmp_path / "report"
    key = worker.host(spec(report=report, folder="/usr"))
    replica = worker.wait_for(key, "ready")[0]

    reported = json.loads(report.read_text())

    assert reported["pid"] == replica.pid
    assert (reported["command"]["socket"], reported["command"]["record"]) == (replica.socket, replica.record)
    assert reported["command"].get("device", "cpu") == "cpu"
    assert reported["command"]["spec"]["folder"] == "/usr"
    assert reported["environ"]["CUDA_VISIBLE_DEVICES"] == ""
    assert int(reported["environ"]["OMP_NUM_THREADS"]) >= 1
    assert Path(reported["environ"]["PROMETHEUS_MULTIPROC_DIR"]).name == "metrics"


def test_no_process_of_the_runners_inherits_a_secret(
    service: StubService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = service.worker()
    monkeypatch.setenv("MODEL_SERVING_API_KEYS", "alpha-key")
    monkeypatch.setenv("MODEL_SERVING_WEBHOOK_SECRET", "sign-with-this")
    monkeypatch.setenv("MODEL_SERVING_LOG_FORMAT", "json")
    report = tmp_path / "report"
    key = worker.host(spec(report=report, webhook_secret="sign-with-this"))
    replica = worker.wait_for(key, "ready")[0]
    pids = [replica.pid, service.supervisor()]

    environments = [Path(f"/proc/{pid}/environ").read_bytes() for pid in pids]

    assert all(b"MODEL_SERVING_LOG_FORMAT=json" in environ for environ in environments)
    assert not any(b"alpha-key" in environ or b"sign-with-this" in environ for environ in environments)
    assert json.loads(report.read_text())["command"]["spec"]["webhook_secret"] == "sign-with-this"


def test_each_replica_sees_its_own_gpu_alone(
    worker: StubWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-aa,GPU-bb")
    report = tmp_path / "report"
    two = Spec(name="two", target="stub:stub", replicas=2)
    third = Spec(name="third", target="stub:stub", init={"report": str(report)})

    first = worker.wait_for(worker.host(two), "ready", "ready")
    second = worker.wait_for(worker.host(third), "ready")

    reported = json.loads(report.read_text())
    assert [replica.device for replica in (*first, *second)] == ["cuda:0", "cuda:1", "cuda:0"]
    assert (reported["command"]["device"], reported["environ"]["CUDA_VISIBLE_DEVICES"]) == (
        "cuda:0",
        "GPU-aa",
    )


@full
def test_repeated_starts_and_stops_leave_nothing_behind(service: StubService) -> None:
    threads = threading.active_count()
    for _ in range(8):
        one = StubService()
        try:
            worker = one.worker()
            replica = worker.wait_for(worker.host(spec("serve")), "ready")[0]
            pids = [replica.pid, one.supervisor()]
        finally:
            one.end()
        wait_until(lambda pids=pids: not any(exists(pid) for pid in pids))
        assert not one.home.exists()

    assert threading.active_count() == threads


def test_a_process_that_exits_before_its_supervisor_gets_no_warning() -> None:
    program = (
        "from tests.services.hosted_apps import hosting\n"
        "answer = hosting().test_client().post('/model', data=b'{}')\n"
        "print(answer.status_code)"
    )

    with tempfile.TemporaryDirectory() as folder:  # pytest's own are too deep for a socket
        done = subprocess.run(
            [sys.executable, "-W", "always::ResourceWarning", "-c", program],
            cwd=PROJECT,
            env={**os.environ, "TMPDIR": folder, "ROUTES": "model"},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        wait_until(lambda: not any(found.is_dir() for found in Path(folder).glob("model-serving-*/*")))

    assert done.stdout == "200\n"
    assert "ResourceWarning" not in done.stderr


def test_an_idle_runner_is_loaded_by_whoever_calls_it_by_its_name(service: StubService) -> None:
    hosting, other = service.worker(), service.worker()
    key = hosting.host(spec(name="rank", idle=0.2))
    hosting.wait_for(key, "idle")
    followed = other.follow(spec(name="rank"))
    other.wait_for(followed, "idle")
    wait_until(lambda: not hosting.replicas(key)[0].pid)

    other.client.wake(followed)

    wait_until(lambda: "ready" in [update[0].state for update in other.updates[followed][-2:] if update])
    hosting.wait_for(key, "idle")
