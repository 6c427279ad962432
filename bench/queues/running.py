"""A system at work: its web process and its workers, each of which can be killed and started by itself."""

import http.client
import json
import os
import secrets
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from bench import processes
from bench.environments import prepare
from bench.peers import ROOT
from bench.queues.handler import TRACE
from bench.queues.servers import HOST, STOP_S, free_port
from bench.queues.systems import System
from bench.queues.trace import Trace

#: Seconds for a system's first run of a job.
START_S = 90.0


class Client:
    """One keep-alive connection."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection(HOST, port, timeout=30)

    def is_ready(self) -> bool:
        """Return whether a server answers."""
        try:
            self._connection.request("GET", "/readyz")
            response = self._connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return False
        return response.status == 200

    def enqueue(self, seconds: float = 0.0) -> str:
        """Enqueue a job that takes so many seconds, and return its token."""
        token = secrets.token_hex(8)
        body = json.dumps({"token": token, "seconds": seconds})
        self._connection.request("POST", "/run", body, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        content = response.read()
        if response.status != 202:
            raise RuntimeError(f"a job was answered with {response.status}: {content!r}")
        return token


class Program:
    """One program and the processes that it starts.

    Args:
        command: its words.
        folder: where it runs, and where its output goes.
        environ: all its variables.
    """

    def __init__(self, command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> None:
        self._mark = secrets.token_hex(8)
        with (folder / "output").open("ab") as output:
            self._started = subprocess.Popen(
                command,
                cwd=folder,
                env={**environ, processes.MARK: self._mark},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def kill(self, part: str = "") -> None:
        """Kill its processes, or those of whose command lines this is a part."""
        for pid in processes.members(self._started.pid, self._mark):
            with suppress(OSError):
                if part.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGKILL)
        if not part:
            self._started.wait(STOP_S)

    def stop(self) -> None:
        """End it, and what it has started."""
        processes.stop(self._started.pid, self._mark, STOP_S)
        self._started.wait(STOP_S)


class Running:
    """A system that runs jobs.

    Args:
        system: which.
        folder: an empty one.
        places: what stands for the names in braces of its commands and variables.
    """

    def __init__(self, system: System, folder: Path, places: Mapping[str, str]) -> None:
        self.trace = Trace(folder / "trace")
        self.port = int(places["port"])
        self._system = system
        self._folder = folder
        self._places = places
        self._environ = os.environ | {
            "PYTHONPATH": f"{system.peer.home}:{ROOT}",
            "TMPDIR": str(folder),
            "BENCH_QUEUE": f"bench-{secrets.token_hex(4)}",
            "BENCH_POSTGRES": places.get("postgres", ""),
            "BENCH_RABBITMQ": places.get("rabbitmq", ""),
            "BENCH_REDIS": places.get("redis", ""),
            TRACE: str(self.trace.file),
            **{name: self._filled(value) for name, value in system.environ.items()},
        }
        self._web: Program | None = None
        self._workers: list[Program] = []

    def _filled(self, word: str) -> str:
        for name, value in self._places.items():
            word = word.replace(f"{{{name}}}", value)
        return word

    def _start(self, command: Sequence[str], **environ: str) -> Program:
        return Program([self._filled(word) for word in command], self._folder, self._environ | environ)

    def start(self) -> None:
        """Start it, and return once it has run a job."""
        if self._system.prepare:
            words = [self._filled(word) for word in self._system.prepare]
            subprocess.run(
                words, env=self._environ, cwd=self._folder, check=True, capture_output=True, timeout=START_S
            )
        role = {"MODEL_SERVING_ROLE": "web"} if self._system.workers else {}
        self._web = self._start(self._system.web, **role)
        client = Client(self.port)
        if not self.trace.wait(client.is_ready, START_S):
            raise RuntimeError(f"{self._system.name} does not answer: {self.output()}")
        self.start_workers()
        if not self.trace.all_began([client.enqueue()], START_S):
            raise RuntimeError(f"{self._system.name} runs no job: {self.output()}")

    def start_workers(self) -> None:
        """Start what runs jobs; where the web process has it, that does so itself."""
        self._workers = [self._start(command) for command in self._system.workers]

    def kill_workers(self) -> None:
        """Kill all processes of what runs jobs."""
        if self._web is not None and not self._workers:
            self._web.kill(self._system.runners)
        for worker in self._workers:
            worker.kill()

    def output(self) -> str:
        """Return the end of what its programs have written."""
        return (self._folder / "output").read_text(errors="replace")[-3000:]

    def stop(self) -> None:
        """End all its programs."""
        for program in (*self._workers, *filter(None, [self._web])):
            program.stop()


@contextmanager
def running(system: System, environments: Path, urls: Mapping[str, str]) -> Iterator[Running]:
    """Run a system until the block ends.

    Args:
        system: which.
        environments: the folder of the peers' virtual environments.
        urls: of the servers that it needs, by their names.
    """
    python = prepare(system.peer, environments)
    with tempfile.TemporaryDirectory(prefix="bench-queue-") as folder:
        ports = {"port": str(free_port()), "port2": str(free_port())}
        places = {**urls, **ports, "python": str(python), "folder": folder}
        found = Running(system, Path(folder), places)
        try:
            found.start()
            time.sleep(1.0)  # until its other processes have started, too
            yield found
        finally:
            found.stop()
