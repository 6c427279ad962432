"""The service that a fault happens to: how it is started, whether all of it is well, and what it holds."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.apps import REPLICAS
from tests.services.hosts import processes, replicas, wait_until
from tests.services.raw_http import ask, connect, get, post
from tests.services.serving import Service, launch, serve
from tests.with_packages import need

APP = "tests.faults.apps:app()"
SERVERS = ("asgi", "gevent", "gthread", "sync", "granian")
WORKERS = 2

#: Seconds until a service that has answered is well in all its parts.
_START_SECONDS = 60.0

#: Bytes of a file system that is to become full: what a service needs of it, and little more.
_DISK_BYTES = 8 << 20

#: Seconds for a look at a service that may not answer.
_LOOK_SECONDS = 2.0

#: What is in a service's TMPDIR on purpose: the log and the jobs that tests put there, the folder and the
#: lock that all services of a user share, metrics of as many workers as there were at a time, and the records
#: of the last replicas that ended, which workers read afterwards.
_KEPT = re.compile(
    r"log|jobs\.sqlite3.*|model-serving-\d+(/loading\.lock)?|.*/metrics(/.*)?|.*/runners/[0-9a-f]+\.record"
    r"|.*/(history-\d+|failures)(\.lock)?"
)

_NUMBERS = re.compile(r"[0-9a-f]{8,}|\d+")


@dataclass(frozen=True)
class Target:
    """A running service.

    Args:
        server: one of SERVERS.
        service: the service.
        loaded: a folder with a file for each process that has made the app, by process id.
        temporary: its TMPDIR.
        jobs: the file of its jobs.
        clock: the file whose seconds its wall clock is ahead.
    """

    server: str
    service: Service
    loaded: Path
    temporary: Path
    jobs: Path
    clock: Path

    def ask(self, path: str, deed: str = "") -> str:
        """Return the status that answers a call, or how there is none."""
        try:
            with connect(self.service.port) as connection:
                answer = connection.ask(post({"deed": deed}, path=path))
        except OSError as error:
            return type(error).__name__
        return "no answer" if answer is None else str(answer.status)

    def enqueue(self, deed: str = "") -> str:
        """Have a job made, and return its id."""
        job: str = ask(self.service.port, post({"deed": deed}, path="/job")).json()["job_id"]
        return job

    def look(self, job: str) -> dict[str, Any]:
        found: dict[str, Any] = ask(self.service.port, get(f"/status/{job}")).json()
        return found

    def workers(self) -> set[int]:
        """Return the process ids of the server's workers."""
        lines = processes(self.service)
        return {pid for pid in self.service.workers() if "resource_tracker" not in lines.get(pid, "")}

    def pid_of(self, name: str) -> int:
        """Return the process id of a runner's first replica."""
        pid: int = replicas(self.service, name)[0]["pid"]
        return pid

    def replicas(self) -> set[int]:
        """Return the process ids of the replicas that there are, ready or not."""
        return {pid for pid, line in processes(self.service).items() if "replicas.replica" in line}

    def ready(self) -> set[int]:
        """Return the hosted replicas that are ready, as a worker tells them; none where it does not."""
        told: dict[str, list[dict[str, Any]]] = self.service.json("/__runners", _LOOK_SECONDS) or {}
        return {replica["pid"] for replica in told.get("hosted", []) if replica["state"] == "ready"}

    def is_well(self, victims: set[int]) -> bool:
        """Return whether there are as many workers and replicas as there should be, none of them a victim."""
        workers, alive = self.workers(), processes(self.service).keys()
        if victims & alive or not workers <= alive or len(workers) != WORKERS:
            return False
        if not all((self.loaded / str(pid)).exists() for pid in workers):
            return False
        ready = self.ready()
        if len(ready) != REPLICAS or not ready <= alive - victims:
            return False
        return self.service.status("/readyz", _LOOK_SECONDS) == 200 and self.ask("/job") == "202"

    def holds(self) -> Counter[str]:
        """Return how many processes and files there are of each kind."""
        held = Counter(_kind(line) for line in processes(self.service).values())
        for path in self.temporary.rglob("*"):
            if not _KEPT.fullmatch(name := str(path.relative_to(self.temporary))):
                held[_NUMBERS.sub("#", name)] += 1
        return held


def _kind(line: str) -> str:
    kinds = [kind for kind in ("replicas.supervisor", "replicas.replica", "gunicorn") if kind in line]
    return f"process: {kinds[0] if kinds else line}"


@contextmanager
def target(server: str, disks: Mapping[str, Path] | None = None) -> Iterator[Target]:
    """Serve the app of the faults until the block ends.

    Args:
        server: one of SERVERS.
        disks: folders for the service's "TMPDIR" and "jobs", where they are not to be in its own.
    """
    temporary, kept = ((disks or {}).get(name) for name in ("TMPDIR", "jobs"))
    with tempfile.TemporaryDirectory() as loaded, tempfile.TemporaryDirectory() as clock:
        step = Path(clock) / "step"
        step.write_text("0")
        env = {"LOADED": loaded, "CLOCK_STEP": str(step)}
        env |= {"TMPDIR": str(temporary)} if temporary else {}
        env |= {"MODEL_SERVING_JOBS_URL": f"sqlite:///{kept}/jobs.sqlite3"} if kept else {}
        with _started(server, env) as service:
            jobs = (kept or service.folder) / "jobs.sqlite3"
            found = Target(server, service, Path(loaded), temporary or service.folder, jobs, step)
            wait_until(lambda: found.is_well(set()), _START_SECONDS)
            yield found


def _started(server: str, env: Mapping[str, str]) -> AbstractContextManager[Service]:
    if server != "granian":
        args = ("--threads", "64") if server == "gthread" else ()
        return serve(APP, worker_class=server, workers=WORKERS, args=args, env=env, ready="/readyz")
    need("granian")
    words = ("--interface", "wsgi", "--port", "{port}", "--workers", str(WORKERS), "--blocking-threads", "64")
    more = ("--respawn-failed-workers", "--workers-kill-timeout", "25", "--factory", APP.removesuffix("()"))
    return launch([sys.executable, "-m", "granian", *words, *more], env=env, ready="/readyz")


@contextmanager
def small_disk() -> Iterator[Path]:
    """Mount a small file system until the block ends.

    Raises:
        PermissionError: this user may mount none.
    """
    folder = Path(tempfile.mkdtemp(prefix="disk-"))
    try:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "none", str(folder)]
        if subprocess.run(mount, capture_output=True).returncode:
            raise PermissionError("no file system can be mounted here")
        try:
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
    finally:
        folder.rmdir()
