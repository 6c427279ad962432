"""The supervisor's client: in forks, under gevent, in a Gunicorn master, and without a supervisor."""

import gc
import os
import subprocess
import sys
import textwrap
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.replicas.client import supervisor_start
from aylien_model_serving.replicas.client.supervisor_client import SupervisorClient
from aylien_model_serving.rpc.control_messages import Replica
from aylien_model_serving.rpc.spec import Spec
from tests.replicas.stub_service import PROJECT, StubService, processes_of, stub_service, wait_until

SPEC = Spec(name="model", target="stub:stub", devices="cpu")


def ignore(replicas: list[Replica]) -> None:
    """Do nothing."""


def test_a_process_has_one_client() -> None:
    assert SupervisorClient.of_process() is SupervisorClient.of_process()


def test_a_temporary_folder_with_too_long_a_path_is_refused(tmp_path: Path) -> None:
    home = tmp_path / ("x" * 100)

    with pytest.raises(ConfigurationError, match="bytes too long to hold Unix sockets: set TMPDIR"):
        SupervisorClient(home, os.getpid()).host(SPEC, ignore)


def test_a_spec_that_cannot_be_encoded_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="travel"):
        SupervisorClient(tmp_path, os.getpid()).host(
            Spec(name="model", target="a:b", init={"a": object()}), ignore
        )


def test_an_unknown_key_can_be_released(tmp_path: Path) -> None:
    SupervisorClient(tmp_path, os.getpid()).release("unknown")


def test_a_gunicorn_master_starts_nothing(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gunicorn.arbiter", sys)
    home = Path(os.path.relpath(tmp_path_factory.mktemp("c")))
    threads = threading.active_count()

    SupervisorClient(home, os.getpid()).host(SPEC, ignore)

    assert threading.active_count() == threads
    assert list((home / "runners").iterdir()) == []


@pytest.fixture
def service() -> Iterator[StubService]:
    with stub_service() as service:
        yield service


@pytest.mark.processes
def test_a_finalizer_may_release_a_spec(service: StubService) -> None:
    class Holder:
        """Something that is collected."""

    worker = service.worker()
    key = worker.host(SPEC)
    (replica,) = worker.wait_for(key, "ready")
    holder = Holder()
    weakref.finalize(holder, worker.client.release, key)

    del holder
    gc.collect()

    wait_until(lambda: not Path(f"/proc/{replica.pid}").exists())


@pytest.mark.processes
def test_a_callback_that_fails_does_not_end_the_updates(
    service: StubService, caplog: pytest.LogCaptureFixture
) -> None:
    worker = service.worker()
    states: list[str] = []

    def fail_at_first(replicas: list[Replica]) -> None:
        states.append(replicas[0].state)
        if len(states) == 1:
            raise LookupError("in a callback")

    worker.client.host(SPEC, fail_at_first)

    wait_until(lambda: "ready" in states)
    assert "in a callback" in caplog.text


@pytest.mark.processes
def test_a_known_state_is_reported_at_once(service: StubService) -> None:
    worker = service.worker()
    replicas = worker.wait_for(worker.host(SPEC), "ready")
    updates: list[list[Replica]] = []

    worker.client.host(SPEC, updates.append)

    assert updates[0] == replicas


@pytest.mark.processes
def test_a_supervisor_that_does_not_start_is_an_error(
    service: StubService, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODEL_SERVING_LOG_LEVEL", "nonsense")

    with pytest.raises(supervisor_start.StartError, match="ended with status 1 before it was ready"):
        supervisor_start.connect(supervisor_start.SupervisorAddress(service.home, service.owner.pid))

    assert "MODEL_SERVING_LOG_LEVEL='nonsense'" in capfd.readouterr().err


@pytest.mark.processes
def test_a_second_supervisor_is_refused(service: StubService, capfd: pytest.CaptureFixture[str]) -> None:
    worker = service.worker()
    worker.wait_for(worker.host(SPEC), "ready")
    Path(supervisor_start.SupervisorAddress(service.home, 0).socket).unlink()

    with pytest.raises(supervisor_start.StartError):
        supervisor_start.connect(supervisor_start.SupervisorAddress(service.home, service.owner.pid))

    assert "another supervisor has" in capfd.readouterr().err
    assert len(processes_of(service.home)) == 1


PRELUDE = """
    import os, queue, sys, threading, time
    from pathlib import Path
    from aylien_model_serving.replicas.client.supervisor_client import SupervisorClient
    from aylien_model_serving.rpc.spec import Spec
    from tests.replicas.stub_service import STUB_COMMAND

    home, owner = Path(sys.argv[1]), int(sys.argv[2])
    spec = Spec(name="model", target="stub:stub", devices="cpu")

    def wait_for_ready(updates):
        while not any(replica.state == "ready" for replica in updates.get(timeout=30)):
            pass
"""


def run(service: StubService, program: str) -> str:
    """Return what a program prints; what it starts may outlive it, and keeps its pipes."""
    output = service.home.with_suffix(".out")
    text = textwrap.dedent(PRELUDE) + textwrap.dedent(program)
    command = [sys.executable, "-c", text, str(service.home), str(service.owner.pid)]
    with output.open("w") as file:
        done = subprocess.run(command, cwd=PROJECT, stdout=file, stderr=subprocess.STDOUT, timeout=60)
    text = output.read_text()
    output.unlink()
    assert done.returncode == 0, text
    return text


@pytest.mark.processes
def test_a_fork_has_a_connection_of_its_own(service: StubService) -> None:
    program = """
        SupervisorClient._current = SupervisorClient(home, owner, STUB_COMMAND)
        client, updates = SupervisorClient.of_process(), queue.Queue()
        client.host(spec, updates.put)
        wait_for_ready(updates)
        child = os.fork()
        if not child:
            assert SupervisorClient.of_process() is not client
            assert client._socket is None
            own_updates = queue.Queue()
            own_client = SupervisorClient(home, owner, STUB_COMMAND)
            own_client.host(spec, own_updates.put)
            wait_for_ready(own_updates)
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert SupervisorClient.of_process() is client
        assert client._socket is not None
    """

    run(service, program)


@pytest.mark.processes
def test_what_a_master_registers_is_hosted_once_its_fork_starts(service: StubService) -> None:
    program = """
        sys.modules["gunicorn.arbiter"] = sys
        updates = queue.Queue()
        SupervisorClient._current = SupervisorClient(home, os.getpid(), STUB_COMMAND)
        SupervisorClient.of_process().host(spec, updates.put)
        assert threading.active_count() == 1
        child = os.fork()
        if not child:
            assert threading.active_count() == 1
            SupervisorClient.of_process().start()
            wait_for_ready(updates)
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert threading.active_count() == 1
    """

    run(service, program)


@pytest.mark.processes
def test_greenlets_go_on_while_a_supervisor_is_started(service: StubService) -> None:
    program = """
        from gevent import monkey
        monkey.patch_all()
        import gevent
        ticks = 0

        def tick():
            global ticks
            while True:
                gevent.sleep(0.001)
                ticks += 1

        gevent.spawn(tick)
        updates = queue.Queue()
        client = SupervisorClient(home, owner, STUB_COMMAND)
        client.host(spec, updates.put)
        wait_for_ready(updates)
        client.close()
        print(ticks)
    """

    assert int(run(service, program).splitlines()[-1]) > 20  # behind the lines of the supervisor's log
