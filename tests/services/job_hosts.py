"""Services with jobs for tests: started on every kind of server, over a store that outlives them."""

import json
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from tests.services.hosts import gone_in_the_end, wait_until
from tests.services.raw_http import Answer, ask, get, post
from tests.services.serving import BRIEF_SECONDS, Service, launch, serve

APP = "tests.services.job_apps:working"

SERVERS = ("gthread", "gevent", "asgi", "granian wsgi", "granian asgi")

#: Seconds that one question waits for a job's end; there are several where that is not enough.
WAIT = 10


def start(server: str, workers: int, env: Mapping[str, str]) -> AbstractContextManager[Service]:
    if server.startswith("granian"):
        words = ("--interface", server.split()[1], "--port", "{port}", "--workers", str(workers))
        command = [sys.executable, "-m", "granian", *words, "--factory", APP]
        return launch(command, env=env, stop_seconds=BRIEF_SECONDS)
    threads = ("--threads", "16") if server == "gthread" else ()
    return serve(f"{APP}()", worker_class=server, workers=workers, env=env, args=threads)


@contextmanager
def host_jobs(
    folder: Path,
    routes: str,
    *,
    server: str = "gthread",
    workers: int = 2,
    ready: bool = True,
    **variables: object,
) -> Iterator[Service]:
    """Serve the app with jobs until the block ends, and see that no process of it is left then.

    Args:
        folder: where its jobs are kept.
        routes: names of its routes, separated by commas.
        server: one of SERVERS.
        workers: the number of worker processes.
        ready: whether to wait until jobs are run.
        variables: of the app's environment, in lower case.
    """
    env = {"MODEL_SERVING_JOBS_URL": f"sqlite:///{folder}/jobs.sqlite3", "ROUTES": routes}
    env |= {name.upper(): str(value) for name, value in variables.items()}
    with gone_in_the_end(start(server, workers, env)) as service:
        if ready:
            service.wait_until(lambda: service.status("/readyz") == 200)
        yield service


def enqueue(service: Service, path: str, *headers: str, **fields: object) -> str:
    """Have a job kept, and return its id."""
    answer = ask(service.port, post(fields, *headers, path=path))
    assert answer.status == 202, answer
    job_id: str = answer.json()["job_id"]
    return job_id


def look(service: Service, job_id: str, wait: float = 0) -> Any:
    """Return a job as it is, once it has ended or some seconds have passed."""
    answer = ask(service.port, get(f"/status/{job_id}?wait={wait}"))
    assert answer.status == 200, answer
    return answer.json()


def has_ended(job: Any) -> bool:
    return job["status"] in ("finished", "failed", "cancelled")


def end_of(service: Service, job_id: str) -> Any:
    """Return a job that has ended."""

    def ended() -> Any:
        job = look(service, job_id, WAIT)
        return job if has_ended(job) else None

    return wait_until(ended, 40)


def cancel(service: Service, job_id: str) -> Answer:
    return ask(service.port, post({}, path=f"/cancel/{job_id}"))


def wait_for(service: Service, job_id: str, status: str) -> Any:
    """Return a job once it is in a state."""

    def found() -> Any:
        job = look(service, job_id)
        return job if job["status"] == status else None

    return wait_until(found)


def events(service: Service, job_id: str) -> Iterator[tuple[str, Any]]:
    """Yield the names and the data of a job's stream as they come."""
    name = "item"
    with urllib.request.urlopen(f"{service.url}/stream/{job_id}", timeout=WAIT) as response:
        for line in response:
            key, _, value = line.decode().strip().partition(": ")
            if key == "event":
                name = value
            elif key == "data":
                yield name, json.loads(value)
                name = "item"


def entered(gate: Path) -> None:
    """Return once a job has come to a gate."""
    wait_until((gate / "entered").exists)
