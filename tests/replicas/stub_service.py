"""A stub service for tests: an owner that can be killed, and workers that host replicas."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from aylien_model_serving.replicas.client import supervisor_start
from aylien_model_serving.replicas.client.supervisor_client import SupervisorClient
from aylien_model_serving.rpc.control_messages import Replica, followed
from aylien_model_serving.rpc.spec import Spec

PROJECT = Path(__file__).parents[2]
STUB_COMMAND = [sys.executable, str(Path(__file__).with_name("replica_program.py"))]
PATIENCE_SECONDS = 30.0
POLL_SECONDS = 0.01

#: Seconds that supervisor and replicas may take to exit after the owner, and what a busy machine gets on top.
LEAVING_SECONDS = 2.0
MARGIN = 2.0


def spec(does: str = "serve", *, name: str = "model", replicas: int = 1, **fields: object) -> Spec:
    """Return a spec of stubs with a behaviour; paths are for the stub, other fields are the spec's own."""
    init = {"does": does, **{key: str(value) for key, value in fields.items() if isinstance(value, Path)}}
    rest = {key: value for key, value in fields.items() if not isinstance(value, Path)}
    return Spec(name=name, target="stub:stub", init=init, replicas=replicas, devices="cpu", **rest)  # type: ignore[arg-type]


def wait_until(condition: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
    """Return the result of `condition()` once it is true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not so within {seconds} seconds"
        time.sleep(POLL_SECONDS)
    return found


def exists(pid: int) -> bool:
    """Return whether a process exists; one that has ended and was not reaped counts."""
    return Path(f"/proc/{pid}").exists()


def lives(pid: int) -> bool:
    """Return whether a process runs; one that waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def processes_of(home: Path) -> list[int]:
    """Return the supervisors of a service."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if str(home).encode() in words and b"aylien_model_serving.replicas.supervisor.main" in words:
                found.append(int(folder.name))
    return [pid for pid in found if lives(pid)]


class StubWorker:
    """A web worker's client of the supervisor, and the updates that it got."""

    def __init__(self, service: "StubService") -> None:
        self.client = SupervisorClient(service.home, service.owner.pid, STUB_COMMAND)
        self.updates: dict[str, list[list[Replica]]] = {}

    def host(self, spec: Spec) -> str:
        """Host a spec, and return its key."""
        updates = self.updates.setdefault(spec.key, [])
        self.client.host(spec, updates.append)
        return spec.key

    def follow(self, spec: Spec) -> str:
        """Call the replicas of a runner that others may host, and return the key of its updates."""
        key = followed(spec.name)
        self.client.follow(spec, self.updates.setdefault(key, []).append)
        return key

    def replicas(self, key: str) -> list[Replica]:
        updates = self.updates[key]
        return updates[-1] if updates else []

    def states(self, key: str) -> list[str]:
        return [replica.state for replica in self.replicas(key)]

    def wait_for(self, key: str, *states: str) -> list[Replica]:
        """Return the replicas once they are in these states."""
        wait_until(lambda: self.states(key) == list(states))
        return self.replicas(key)


class StubService:
    """A service: its owner, its folder, and its workers."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="service-"))
        # It ends with this process, by the end of its input.
        self.owner = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        self.workers: list[StubWorker] = []

    def worker(self) -> StubWorker:
        worker = StubWorker(self)
        self.workers.append(worker)
        return worker

    def supervisor(self) -> int:
        """Return the process id of the only supervisor."""
        (pid,) = processes_of(self.home)
        return pid

    def end_owner(self) -> None:
        """Kill the owner."""
        self.owner.kill()
        self.owner.wait()

    def end(self) -> None:
        """End everything, and wait until it has ended."""
        if self.owner.stdin is not None:
            self.owner.stdin.close()
        self.end_owner()
        try:
            wait_until(lambda: not processes_of(self.home))
            for worker in self.workers:
                worker.client.close()
            supervisor_start.reap()
        finally:
            for pid in processes_of(self.home):
                os.kill(pid, signal.SIGKILL)
            shutil.rmtree(self.home, ignore_errors=True)


@contextlib.contextmanager
def stub_service() -> Iterator[StubService]:
    """Yield a service that has ended when the block does."""
    service = StubService()
    try:
        yield service
    finally:
        service.end()
