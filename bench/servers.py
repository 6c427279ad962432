"""Starts and stops a server under test: on loopback, with time limits, leaving no process behind."""

import http.client
import os
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import processes
from bench.cases import Case, Workload
from bench.environments import Unavailable
from bench.peers import FOLDER, HOST, ROOT, Peer

RESPONSE_TIMEOUT_S = 10.0
POLL_S = 0.005
STOP_GRACE_S = 10.0
INHERITED_VARIABLES = ("HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "LD_LIBRARY_PATH")


@dataclass(frozen=True)
class Server:
    """A running server, which gave its first correct response `cold_start_s` seconds after its start."""

    port: int
    leader: int
    mark: str
    cold_start_s: float

    def memory(self) -> tuple[int, int]:
        """Return the bytes of memory of all its processes together, and their number."""
        members = processes.members(self.leader, self.mark)
        return processes.proportional_memory(members), len(members)

    def processor_seconds(self) -> float:
        """Return the seconds of processor time that all its processes have had."""
        return processes.processor_seconds(processes.members(self.leader, self.mark))

    def check(self, workload: Workload) -> None:
        """Raise Unavailable if the response to a workload is wrong."""
        error = _error_of(self.port, workload)
        if error:
            raise Unavailable(f"wrong answer at {workload.path}: {error}")


@contextmanager
def serving(peer: Peer, python: Path, case: Case) -> Iterator[Server]:
    """Start a peer's server for a case, wait for its first correct response, and stop it after the block.

    Raises:
        Unavailable: it exited, or gave no correct response in time; the message has the end of its log.
    """
    scratch = Path(tempfile.mkdtemp(prefix="bench-"))
    ports = _free_ports(3)
    mark = uuid.uuid4().hex
    log = scratch / "log.txt"
    try:
        began = time.monotonic()
        process = _start(peer, python, case, scratch, ports, mark)
        try:
            _wait_for_first_response(peer, process, case.workloads[0], ports[0], log)
            yield Server(ports[0], process.pid, mark, time.monotonic() - began)
        finally:
            processes.stop(process.pid, mark, STOP_GRACE_S)
            process.wait(STOP_GRACE_S)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def program(
    peer: Peer, python: Path, case: Case, scratch: Path, ports: list[int]
) -> tuple[list[str], dict[str, str]]:
    """Return the command of a peer's program and its complete environment."""
    names = {
        "port": ports[0],
        "port2": ports[1],
        "port3": ports[2],
        "workers": case.workers,
        "here": peer.home,
        "bin": python.parent,
    }
    environ = {name: os.environ[name] for name in INHERITED_VARIABLES if name in os.environ}
    environ |= {name: value.format(**names) for name, value in peer.environ.items()}
    environ |= {
        "PATH": f"{python.parent}:{environ.get('PATH', os.defpath)}",
        "PYTHONPATH": f"{peer.home}:{FOLDER}:{ROOT}" if peer.ours else f"{peer.home}:{FOLDER}",
        "BENCH_CASE": case.name,
        "BENCH_PORT": str(ports[0]),
        "BENCH_SCRATCH": str(scratch),
        "BENCH_WORKERS": str(case.workers),
    }
    return [str(python), *(part.format(**names) for part in peer.command)], environ


def _start(
    peer: Peer, python: Path, case: Case, scratch: Path, ports: list[int], mark: str
) -> subprocess.Popen[bytes]:
    command, environ = program(peer, python, case, scratch, ports)
    with (scratch / "log.txt").open("wb") as log:
        return subprocess.Popen(
            command,
            cwd=scratch,
            env={**environ, processes.MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _wait_for_first_response(
    peer: Peer, process: subprocess.Popen[bytes], workload: Workload, port: int, log: Path
) -> None:
    deadline = time.monotonic() + peer.start_timeout_s
    error = "no answer"
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Unavailable(f"left with status {process.returncode}: {_last_lines(log)}")
        error = _error_of(port, peer.adapt(workload))
        if not error:
            return
        time.sleep(POLL_S)
    raise Unavailable(f"no right answer in {peer.start_timeout_s:.0f} s: {error} {_last_lines(log)}")


def _error_of(port: int, workload: Workload) -> str:
    """Return what is wrong with the response to a workload, an empty text if it is correct."""
    connection = http.client.HTTPConnection(HOST, port, timeout=RESPONSE_TIMEOUT_S)
    headers = {"Content-Type": workload.content_type, "Accept": workload.accept}
    try:
        connection.request("POST", workload.path, workload.body, headers)
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException) as error:
        return repr(error)
    finally:
        connection.close()
    if response.status != http.HTTPStatus.OK:
        return f"status {response.status}: {body[:200]!r}"
    try:
        return "" if workload.check(body) else f"unexpected body {body[:200]!r}"
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        return f"{error!r} in {body[:200]!r}"


def _free_ports(count: int) -> list[int]:
    """Return unused ports; another process may bind one before the server does, which then fails to start."""
    sockets = [socket.create_server((HOST, 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in sockets]
    for listener in sockets:
        listener.close()
    return ports


def _last_lines(log: Path, count: int = 4) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return " | ".join(line.strip() for line in lines[-count:])[-600:]
