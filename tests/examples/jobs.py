"""Helpers for examples with jobs: a service with a job store of its own, and the events of a job."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.services.serving import Service, serve


@contextmanager
def serve_jobs(target: str, folder: Path, worker_class: str = "gthread") -> Iterator[Service]:
    """Serve an app until the block ends, once all its runners are ready.

    Args:
        target: the app.
        folder: of its job store.
        worker_class: of Gunicorn.
    """
    env = {"MODEL_SERVING_JOBS_URL": f"sqlite:///{folder}/jobs.sqlite3"}
    with serve(target, worker_class=worker_class, env=env, args=("--threads", "8")) as service:
        service.wait_until(lambda: service.status("/readyz") == 200)
        yield service


def events(lines: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """Yield the name of each event of a stream, "" where it has none, and its data."""
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))
            name = ""
