"""What the tests of jobs share: jobs to put in, and the rows that lie in a file."""

import itertools
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from aylien_model_serving.jobs.job import ClaimedJob, JobRecord, NewJob
from aylien_model_serving.jobs.store import Store
from aylien_model_serving.jobs.transitions import LAST_CHANCE
from aylien_model_serving.rpc.headers import ReplyHeader

#: Ahead of the clock, so that no job of a test expires by itself.
NOW = 4_000_000_000.0
LEASE = 10.0
REPLY = ReplyHeader(200, "application/json", [("X-Model", "a")])

_numbers = itertools.count(1)


def new_job(**given: Any) -> NewJob:
    """Return a job with an id of its own, for route "r" of service "s" unless said otherwise."""
    plain = {"id": f"{next(_numbers):032x}", "service": "s", "route": "r", "call": b"call", "keep": 100.0}
    return NewJob(**{**plain, **given})


def enqueue(store: Store, now: float = NOW, **given: Any) -> str:
    """Put a job in, and return its id."""
    job, _ = store.enqueue(new_job(**given), now)
    return job.id


def get(store: Store, job_id: str) -> JobRecord:
    job = store.get("s", job_id)
    assert job is not None
    return job


def claim(
    store: Store, now: float = NOW, owner: str = "me", service: str = "s", *routes: str
) -> ClaimedJob | None:
    return store.claim(service, routes or ("r",), owner, LEASE, now)


def take_over(
    store: Store, owner: str, now: float = NOW + LEASE, waiting: Sequence[str] = ()
) -> ClaimedJob | None:
    """Claim a job whose lease expires at a time: its owner has a last chance, and who waits goes first."""
    taken = [claimed_id(store, now, owner) for _ in range(len(waiting) + 1)]
    assert taken == [*waiting, None]
    return claim(store, now + LAST_CHANCE, owner)


def claimed_id(store: Store, now: float = NOW, owner: str = "me") -> str | None:
    found = claim(store, now, owner)
    return None if found is None else found.job.id


def modes(folder: Path) -> dict[str, int]:
    """Return the permissions of each file in a folder."""
    return {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()}


@contextmanager
def raw(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the file beside the store."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as db:
        yield db
