"""What is done to the file of a service's jobs, and to the clock that their times are read from."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.faults.strikes import LONG_SECONDS, Strike, ask, filled
from tests.faults.targets import Target
from tests.services.hosts import wait_until

#: States in which a job stays.
_ENDS = ("finished", "failed", "cancelled")


def lock_the_jobs(seconds: float, target: Target) -> Strike:
    """Keep the file of the jobs locked for a while, in which one is to be made."""
    with closing(sqlite3.connect(target.jobs, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        strike = ask("/job", "", target)
        time.sleep(seconds)
        other.execute("ROLLBACK")
    return strike


def damage_the_jobs(target: Target) -> Strike:
    with target.jobs.open("r+b") as file:
        file.write(os.urandom(8192))
    return ask("/job", "", target)


def truncate_the_jobs(target: Target) -> Strike:
    os.truncate(target.jobs, target.jobs.stat().st_size // 2)
    return ask("/job", "", target)


def delete_the_jobs(target: Target) -> Strike:
    """Take the file away for a while, as a mount that is lost."""
    moved = target.jobs.rename(target.jobs.with_name("moved"))
    time.sleep(1.5)  # until a process has looked
    strike = ask("/job", "", target)
    time.sleep(LONG_SECONDS)
    moved.rename(target.jobs)
    return strike


def make_the_jobs_read_only(target: Target) -> Strike:
    """Have writes fail for a while, also of who has the file open, as after an error of the disk."""
    with immutable(target.jobs, target.jobs.with_name(f"{target.jobs.name}-wal")):
        strike = ask("/job", "", target)
        time.sleep(LONG_SECONDS)
    return strike


@contextmanager
def immutable(*files: Path) -> Iterator[None]:
    """Have nobody write to files until the block ends.

    Raises:
        PermissionError: this user, or the file system, may have no such files.
    """
    names = [str(file) for file in files]
    try:
        if subprocess.run(["chattr", "+i", *names], capture_output=True).returncode:
            raise PermissionError("no file can be made immutable here")
        yield
    finally:
        subprocess.run(["chattr", "-i", *names], capture_output=True)


def fill_the_jobs_disk(target: Target) -> Strike:
    with filled(target.jobs.parent):
        strike = Strike(set(), target.ask("/job", "x" * 200_000))
        time.sleep(LONG_SECONDS)
    return strike


def step_the_clock(seconds: float, target: Target) -> Strike:
    """Step the wall clock of all processes while a job runs, and have another one run then."""
    running = target.enqueue("rest")
    wait_until(lambda: target.look(running)["status"] == "processing")
    target.clock.write_text(str(float(target.clock.read_text()) + seconds))
    later = target.enqueue()
    wait_until(lambda: all(target.look(job)["status"] in _ENDS for job in (running, later)))
    ends = [target.look(job) for job in (running, later)]
    once = all((end["status"], end["metrics"]["attempts"]) == ("finished", 1) for end in ends)
    return Strike(set(), "finished" if once else str(ends))
