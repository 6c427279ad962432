"""Starts, stops and reloads of services with runners: nothing is lost, and nothing is left behind."""

import signal
import tempfile
from pathlib import Path

import pytest

from aylien_model_serving.rpc.spec import Spec
from tests.replicas.stub_service import StubService, wait_until
from tests.selection import full, matrix
from tests.services.hosts import (
    Asking,
    Load,
    gated,
    gone_in_the_end,
    host,
    processes,
    replicas,
    shared_memory,
)
from tests.services.raw_http import ask, get, post
from tests.services.serving import Service, serve

pytestmark = pytest.mark.processes

QUEUED = 4
CLIENTS = 4
FURTHER = 24

CHANGING = """
import os

from aylien_model_serving.app_factory import FlaskAppWrapper

class Model:
    def __call__(self) -> dict:
        return {{"version": "{version}", "pid": os.getpid()}}

def run_app():
    return FlaskAppWrapper.create_app([{{"endpoint": "/model", "callable": Model, "runner": True}}])
"""


@pytest.mark.parametrize("server", matrix(["gthread", "gevent", "asgi", "granian asgi"], "gevent"))
def test_what_is_in_flight_or_queued_at_a_stop_is_answered_and_then_all_goes(
    server: str, tmp_path: Path
) -> None:
    diary, shared = tmp_path / "diary", shared_memory()
    with host(server, workers=1, routes="model", diary=diary) as service:
        with gated(service, tmp_path / "first") as first:
            queued = [Asking(service, "/model", text=str(number)) for number in range(QUEUED)]
            service.wait_until(lambda: replicas(service, "model")[0]["waiting"] == QUEUED)
            service.process.terminate()
            service.wait_until(lambda: is_told_to_stop(service))
        answers = [asking.answer() for asking in (first, *queued)]
        service.process.wait(10)
        wait_until(lambda: not processes(service))
        left = [path for path in service.folder.rglob("*") if path.is_dir() and path.name[0].isdigit()]

    (pid,) = {answer.json()["pid"] for answer in answers}
    assert [answer.status for answer in answers] == [200] * (1 + QUEUED)
    assert diary.read_text().splitlines()[-1] == f"closed {pid}"
    assert left == []
    assert shared_memory() <= shared


def is_told_to_stop(service: Service) -> bool:
    """Gunicorn says so; the others listen no more."""
    return "Handling signal: term" in service.log() or service.status("/__ping") is None


@full
@pytest.mark.parametrize("server", ["gevent"])
def test_a_reload_brings_a_new_model_without_a_failed_request(server: str, tmp_path: Path) -> None:
    module = tmp_path / "changing.py"
    module.write_text(CHANGING.format(version="one"))
    env = {"PYTHONDONTWRITEBYTECODE": "1"}
    started = serve("changing:run_app()", worker_class=server, env=env, cwd=tmp_path)
    with gone_in_the_end(started) as service:
        service.wait_until(lambda: service.status("/readyz") == 200)
        with Load(service, CLIENTS, keep=False).running() as load:
            load.wait_for(FURTHER)
            old = latest(load)
            module.write_text(CHANGING.format(version="other"))
            reload(service, load, old)
            changed = latest(load)
            reload(service, load, changed)
            same = latest(load)
        alive = processes(service)

    assert load.failures == []
    assert [found["version"] for found in (old, changed, same)] == ["one", "other", "other"]
    assert not {old["pid"], changed["pid"]} & set(alive)


def reload(service: Service, load: Load, old: dict[str, object]) -> None:
    """Reload a service under load, and return once the old replica has gone and another one answers."""
    service.process.send_signal(signal.SIGHUP)
    service.wait_until(lambda: load.failures or latest(load) != old)
    service.wait_until(lambda: load.failures or old["pid"] not in processes(service))
    load.wait_for(FURTHER)


def latest(load: Load) -> dict[str, object]:
    found: dict[str, object] = load.answers[-1][1]
    return found


@full
def test_a_hundred_replicas_that_come_and_go_leave_nothing() -> None:
    shared = shared_memory()
    service = StubService()
    try:
        worker, folder, seen = service.worker(), service.home / "runners", set()
        for version in range(5):
            spec = Spec(name="one", target="x:y", replicas=20, init={"does": "serve"}, version=str(version))
            key = worker.host(spec)
            seen |= {replica.pid for replica in worker.wait_for(key, *["ready"] * 20)}
            worker.client.release(key)
            wait_until(lambda: not list(folder.glob("*[0-9].sock")))
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in seen))
        sockets = sorted(path.name for path in folder.glob("*.sock"))
        files = len(list(folder.iterdir()))
    finally:
        service.end()

    assert len(seen) == 100
    assert sockets == ["supervisor.sock"]
    assert files < 70  # locks, and the newest flight recorders
    assert not service.home.exists()
    assert shared_memory() <= shared


@full
def test_services_that_start_and_stop_leave_nothing_in_the_temporary_folder() -> None:
    with tempfile.TemporaryDirectory(prefix="serving-") as folder:  # a short path, as sockets need it
        for _ in range(2):
            with host("uvicorn", routes="model", tmpdir=folder) as service:
                assert ask(service.port, post({}, path="/model")).status == 200
                assert ask(service.port, get("/metrics")).status == 200

        [shared] = Path(folder).iterdir()
        assert [path.name for path in shared.iterdir()] == ["loading.lock"]


def test_a_service_whose_sockets_fit_in_no_folder_says_so_and_does_not_start(tmp_path: Path) -> None:
    deep = tmp_path / ("deep" * 20)
    deep.mkdir()

    with (
        pytest.raises(AssertionError, match="set TMPDIR to a shorter path"),
        host("uvicorn", routes="model", tmpdir=deep),
    ):
        pass
