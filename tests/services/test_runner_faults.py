"""Processes of a service that die: clients see nothing of it, or the least that is possible."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.selection import full, matrix
from tests.services.hosts import (
    LEAVING_SECONDS,
    MARGIN,
    Asking,
    Load,
    gated,
    host,
    model_pid,
    processes,
    replicas,
    supervisor,
    wait_until,
)
from tests.services.raw_http import ask, post
from tests.services.serving import Service

pytestmark = pytest.mark.processes

CLIENTS = 16
FURTHER = 64
INNOCENT = 6
LOAD_SECONDS = 0.2

#: What a replica may be away for besides its own start.
AWAY_SECONDS = 1.0


@pytest.fixture(scope="module")
def diaries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("diaries")


@pytest.fixture(scope="module", params=matrix(["gthread", "gevent", "asgi"], "gevent"))
def service(request: pytest.FixtureRequest, diaries: Path) -> Iterator[Service]:
    diary = diaries / request.param
    with host(
        request.param, routes="model,batched,worker", diary=diary, load_seconds=LOAD_SECONDS
    ) as service:
        yield service


@pytest.fixture
def diary(request: pytest.FixtureRequest, service: Service, diaries: Path) -> Path:
    found: Path = diaries / request.node.callspec.params["service"]
    return found


def restarts(service: Service, name: str) -> int:
    [told] = replicas(service, name)
    found: int = told["restarts"]
    return found


def test_clients_see_no_error_when_a_replica_is_killed_and_it_is_back_in_time(
    service: Service, diary: Path
) -> None:
    before = restarts(service, "model")
    with Load(service, CLIENTS, sleep=0.002).running() as load:
        load.wait_for(FURTHER)
        (old,) = {answer["pid"] for _, answer in load.answers}
        killed = time.monotonic()
        os.kill(old, signal.SIGKILL)
        wait_until(lambda: load.failures or load.answers[-1][1]["pid"] != old)
        load.wait_for(FURTHER)

    assert load.failures == []
    back, new = next((when, answer["pid"]) for when, answer in load.answers if answer["pid"] != old)
    assert back - killed < seconds_to_build(diary, new) + AWAY_SECONDS
    assert restarts(service, "model") == before + 1


def seconds_to_build(diary: Path, pid: int) -> float:
    """Return how many seconds a replica took from the start of its process until its model was built."""
    [line] = [line for line in diary.read_text().splitlines() if line.startswith(f"built {pid} ")]
    return float(line.split()[2]) - float(line.split()[3])


def test_clients_see_no_error_when_the_supervisor_is_killed(service: Service) -> None:
    with Load(service, CLIENTS, sleep=0.002).running() as load:
        load.wait_for(FURTHER)
        old, pid = supervisor(service), load.answers[-1][1]["pid"]
        os.kill(old, signal.SIGKILL)
        wait_until(lambda: load.failures or load.answers[-1][1]["pid"] != pid)
        load.wait_for(FURTHER)
    new, alive = supervisor(service), set(processes(service))

    assert load.failures == []
    assert new != old
    assert not {old, pid} & alive


@pytest.mark.parametrize("service", matrix(["gthread", "asgi"]), indirect=True)
def test_a_call_that_kills_every_replica_fails_alone(service: Service, tmp_path: Path) -> None:
    before = restarts(service, "model")
    with gated(service, tmp_path / "first") as first:
        deadly = Asking(service, "/model", die_if=str(tmp_path))
        service.wait_until(lambda: replicas(service, "model")[0]["waiting"] == 1)
        innocent = [Asking(service, "/model", text=str(number)) for number in range(INNOCENT)]
        service.wait_until(lambda: replicas(service, "model")[0]["waiting"] == 1 + INNOCENT)
    failed = deadly.answer()
    answers = [first.answer(), *(asking.answer() for asking in innocent)]

    assert (failed.status, failed.json()["code"]) == (500, "internal_error")
    assert [answer.status for answer in answers] == [200] * (1 + INNOCENT)
    assert [answer.json()["text"] for answer in answers[1:]] == [str(number) for number in range(INNOCENT)]
    service.wait_until(lambda: restarts(service, "model") == before + 2)


def assert_one_of_a_batch_fails_alone(service: Service, guilty: str, gate: Path) -> None:
    texts = [guilty, *(f"innocent {number}" for number in range(INNOCENT))]
    first = Asking(service, "/batched", text=f"gate:{gate}")
    service.wait_until((gate / "entered").exists)
    asked = [Asking(service, "/batched", text=text) for text in texts]
    service.wait_until(lambda: replicas(service, "batched")[0]["waiting"] == len(texts))
    (gate / "open").touch()
    failed, *answers = [asking.answer() for asking in asked]

    assert first.answer().status == 200
    assert (failed.status, failed.json()["code"]) == (500, "internal_error")
    assert [answer.status for answer in answers] == [200] * INNOCENT
    assert [answer.json()["text"] for answer in answers] == texts[1:]


@pytest.mark.parametrize("service", ["gevent"], indirect=True)
def test_calls_of_a_batch_that_one_of_them_kills_are_answered(service: Service, tmp_path: Path) -> None:
    before = restarts(service, "batched")

    assert_one_of_a_batch_fails_alone(service, "death", tmp_path / "gate")

    service.wait_until(lambda: restarts(service, "batched") == before + 2)


@pytest.mark.parametrize("service", ["gevent"], indirect=True)
def test_a_call_of_a_batch_that_exits_fails_alone_and_ends_no_process(
    service: Service, tmp_path: Path
) -> None:
    before = restarts(service, "batched")

    assert_one_of_a_batch_fails_alone(service, "exit", tmp_path / "gate")

    assert restarts(service, "batched") == before


@pytest.mark.parametrize("service", matrix(["gthread"]), indirect=True)
def test_a_web_worker_that_is_killed_takes_no_replica_along(service: Service) -> None:
    pid, before, workers = model_pid(service), restarts(service, "model"), set(service.workers())
    killed = ask(service.port, post({}, path="/worker")).json()["worker"]
    seen: set[int] = set()

    def is_replaced() -> bool:
        seen.add(ask(service.port, post({}, path="/worker")).json()["worker"])
        return bool(seen - workers)

    os.kill(killed, signal.SIGKILL)
    service.wait_until(lambda: killed not in service.workers())
    service.wait_until(is_replaced)

    assert {model_pid(service) for _ in range(CLIENTS)} == {pid}
    assert restarts(service, "model") == before


@pytest.mark.parametrize("server", matrix(["gthread", "asgi"], "gthread"))
def test_all_are_gone_soon_after_the_master_is_killed(server: str, tmp_path: Path) -> None:
    with host(server, routes="model") as service, gated(service, tmp_path / "first", how="spin_gate"):
        service.process.kill()
        service.process.wait()

        wait_until(lambda: not hosting(service), LEAVING_SECONDS + MARGIN)
        wait_until(lambda: not processes(service), LEAVING_SECONDS + MARGIN)


def hosting(service: Service) -> list[int]:
    """Return the supervisor and the replicas of a service."""
    return [pid for pid, line in processes(service).items() if "aylien_model_serving.replicas" in line]


@full
def test_a_start_after_everything_was_killed_is_clean() -> None:
    with host("gthread", routes="model") as service:
        kill_all(service)
        service.process.wait()
        wait_until(lambda: not processes(service), LEAVING_SECONDS + MARGIN)
        left = folders(service.folder)
        with host("gthread", workers=1, routes="model", tmpdir=service.folder) as next_service:
            answer = ask(next_service.port, post({}, path="/model"))
            found = folders(service.folder)

    assert len(left) == len(found) == 1
    assert not set(left) & set(found)
    assert answer.status == 200


def kill_all(service: Service) -> None:
    """Kill a service's processes together: whoever outlived another would tidy up, or start it again."""
    stopped: set[int] = set()
    while new := processes(service).keys() - stopped:
        for pid in new:
            os.kill(pid, signal.SIGSTOP)
        stopped |= new
    for pid in stopped:
        os.kill(pid, signal.SIGKILL)


def folders(temporary: Path) -> list[str]:
    """Return the names of the folders that services have in a folder for temporary files."""
    [shared] = temporary.glob("model-serving-*")
    return [entry.name for entry in shared.iterdir() if entry.is_dir()]
