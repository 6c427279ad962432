"""Real servers under fuzzed bytes: they answer, stay alive, and hold no more than before."""

from __future__ import annotations

import itertools
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.fuzz import service as fuzzed_service
from tests.fuzz.mutations import mutated
from tests.fuzz.requests import Fuzzed
from tests.fuzz.residue import MEBIBYTE, MOST_BYTES, MOST_DESCRIPTORS
from tests.fuzz.seeds import hosted_seeds, seeds
from tests.fuzz.verdicts import Finding, fault_of
from tests.fuzz.wire import WireAnswer, ask, wire_of
from tests.services.serving import BRIEF_SECONDS, Service, launch, serve

APP = "tests.fuzz.service:service"
HOSTED_APP = "tests.fuzz.service:hosted_service"

#: Requests after which everything that a worker makes at first use is there.
_WARM_UP = 250

#: Clients that send at the same time.
_CLIENTS = 4

#: Statuses by which a server itself refuses what it does not implement: transfer codings, versions of HTTP.
_OF_SERVERS = frozenset({501, 505})

#: Seconds within which anything is answered.
_ANSWER_SECONDS = 10.0

Start = Callable[[], AbstractContextManager[Service]]


def _gunicorn(worker_class: str, *args: str) -> Start:
    return lambda: serve(
        f"{APP}()", worker_class=worker_class, workers=1, env=fuzzed_service.ENVIRONMENT, args=args
    )


def _launched(*words: str) -> Start:
    command = [sys.executable, "-m", *words]
    return lambda: launch(command, env=fuzzed_service.ENVIRONMENT, stop_seconds=BRIEF_SECONDS)


_GRANIAN = ("granian", "--factory", APP, "--port", "{port}", "--workers", "1", "--interface")


@contextmanager
def _with_replicas() -> Iterator[Service]:
    """Serve routes with runners, and jobs that are in a file and worked on by replicas."""
    with tempfile.TemporaryDirectory() as folder:
        env = {**fuzzed_service.ENVIRONMENT, "MODEL_SERVING_JOBS_URL": f"sqlite:///{folder}/jobs.sqlite3"}
        with serve(f"{HOSTED_APP}()", worker_class="gevent", workers=1, env=env, ready="/readyz") as service:
            yield service


SERVERS: dict[str, Start] = {
    "gevent": _gunicorn("gevent"),
    "gthread": _gunicorn("gthread", "--threads", "8", "--http-parser", "python"),
    "asgi": _gunicorn("asgi", "--asgi-lifespan", "on"),
    "granian": _launched(*_GRANIAN, "asgi"),
    "granian wsgi": _launched(*_GRANIAN, "wsgi"),
    "replicas": _with_replicas,
    "uvicorn": _launched("uvicorn", "--factory", APP, "--port", "{port}"),
}


@dataclass
class ServerCampaign:
    """Fuzzes one server.

    Args:
        name: of the server.
        seed: of all chance.
        service: that it serves.
    """

    name: str
    seed: int
    service: Service
    findings: dict[str, Finding] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._seeds = hosted_seeds() if self.name == "replicas" else seeds()

    def run(self, numbers: Iterable[int]) -> list[str]:
        """Send the requests of these numbers, and return what they have left behind."""
        left = iter(numbers)
        with ThreadPoolExecutor(_CLIENTS) as clients:
            list(clients.map(self._send_and_judge, itertools.islice(left, _WARM_UP)))
            before = self._held()
            list(clients.map(self._send_and_judge, left))
        return self._left(before, self._held())

    def _send_and_judge(self, index: int) -> None:
        random = Random(f"{self.seed}/{self.name}/{index}")
        request = mutated(random, self._seeds)
        sent = wire_of(request, random)
        came = ask(self.service.port, sent)
        if came.answer is not None:
            self.statuses[came.answer.status] += 1
        fault = _fault_of(request, came)
        if fault is not None:
            details = f"{fault[1]}\n  sent: {sent[:1500]!r}"
            self.findings.setdefault(fault[0], Finding(index, self.name, request, fault[0], details))

    def _held(self) -> dict[int, tuple[int, int]]:
        """Return the memory in bytes and the descriptors of each process of the server."""
        pids = self.service.workers() or [self.service.pid]
        return {pid: (_resident_bytes(pid), len(os.listdir(f"/proc/{pid}/fd"))) for pid in pids}

    def _left(self, before: dict[int, tuple[int, int]], after: dict[int, tuple[int, int]]) -> list[str]:
        found = []
        if before.keys() != after.keys():
            found.append(f"workers {sorted(before)} became {sorted(after)}")
        for pid in before.keys() & after.keys():
            memory, descriptors = (now - then for now, then in zip(after[pid], before[pid], strict=True))
            if memory > MOST_BYTES:
                found.append(f"memory grew by {memory / MEBIBYTE:.1f} MiB")
            if descriptors > MOST_DESCRIPTORS:
                found.append(f"descriptors grew by {descriptors}")
        return found


def _fault_of(request: Fuzzed, came: WireAnswer) -> tuple[str, str] | None:
    """Return what is wrong with what a server sent; it may close a connection without a word."""
    if came.seconds > _ANSWER_SECONDS:
        return "hangs", f"{came.seconds:.1f} s"
    if came.answer is None:
        return ("no HTTP", repr(came.raw[:300])) if came.raw else None
    if came.answer.status < 500 or came.answer.status in _OF_SERVERS:
        return None
    return fault_of(request, came.answer, [])


def _resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
