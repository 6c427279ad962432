"""A server under test from its start to its end: bounded in time, on loopback, and never left behind."""

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
from bench.cases import Case, Shot
from bench.environments import Unavailable
from bench.peers import FOLDER, HOST, ROOT, Peer

ANSWER_TIMEOUT_S = 10.0
POLL_S = 0.005
STOP_GRACE_S = 10.0
PASSED_ON = ("HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "LD_LIBRARY_PATH")


@dataclass(frozen=True)
class Server:
    """A running server that gave a first right answer `cold_start_s` seconds after its process began."""

    port: int
    leader: int
    mark: str
    cold_start_s: float

    def memory(self) -> tuple[int, int]:
        """Return the bytes that all its processes hold together, and how many they are."""
        members = processes.members(self.leader, self.mark)
        return processes.proportional_memory(members), len(members)

    def check(self, shot: Shot) -> None:
        """Raise Unavailable if the answer to a shot is not right."""
        complaint = _complaint(self.port, shot)
        if complaint:
            raise Unavailable(f"wrong answer at {shot.path}: {complaint}")


@contextmanager
def serving(peer: Peer, python: Path, case: Case) -> Iterator[Server]:
    """Start a peer's server for a case, wait for its first right answer, and end it when the block is left.

    Raises:
        Unavailable: it left, or gave no right answer in time; the end of its log is in the message.
    """
    scratch = Path(tempfile.mkdtemp(prefix="bench-"))
    ports = _free_ports(3)
    mark = uuid.uuid4().hex
    log = scratch / "log.txt"
    try:
        began = time.monotonic()
        process = _start(peer, python, case, scratch, ports, mark)
        try:
            _await_first_answer(peer, process, case.shots[0], ports[0], log)
            yield Server(ports[0], process.pid, mark, time.monotonic() - began)
        finally:
            processes.stop(process.pid, mark, STOP_GRACE_S)
            process.wait(STOP_GRACE_S)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def program(
    peer: Peer, python: Path, case: Case, scratch: Path, ports: list[int]
) -> tuple[list[str], dict[str, str]]:
    """Return the command of a peer's program and the whole environment in which it runs."""
    names = {
        "port": ports[0],
        "port2": ports[1],
        "port3": ports[2],
        "workers": case.workers,
        "here": peer.home,
        "bin": python.parent,
    }
    environ = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
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


def _await_first_answer(
    peer: Peer, process: subprocess.Popen[bytes], shot: Shot, port: int, log: Path
) -> None:
    deadline = time.monotonic() + peer.start_timeout_s
    complaint = "no answer"
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Unavailable(f"left with status {process.returncode}: {_last_lines(log)}")
        complaint = _complaint(port, peer.adapt(shot))
        if not complaint:
            return
        time.sleep(POLL_S)
    raise Unavailable(f"no right answer in {peer.start_timeout_s:.0f} s: {complaint} {_last_lines(log)}")


def _complaint(port: int, shot: Shot) -> str:
    """Return what is wrong with the answer to a shot, nothing if it is right."""
    connection = http.client.HTTPConnection(HOST, port, timeout=ANSWER_TIMEOUT_S)
    headers = {"Content-Type": shot.content_type, "Accept": shot.accept}
    try:
        connection.request("POST", shot.path, shot.body, headers)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        return repr(error)
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK:
        return f"status {answer.status}: {body[:200]!r}"
    try:
        return "" if shot.check(body) else f"unexpected body {body[:200]!r}"
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        return f"{error!r} in {body[:200]!r}"


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on; another process may take one before the server does, which then fails."""
    sockets = [socket.create_server((HOST, 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in sockets]
    for listener in sockets:
        listener.close()
    return ports


def _last_lines(log: Path, count: int = 4) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return " | ".join(line.strip() for line in lines[-count:])[-600:]
