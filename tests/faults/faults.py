"""The faults, in the order of the table: what is done to a service under load, and what is promised of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from tests.faults import job_strikes, stream_strikes, strikes
from tests.faults.strikes import LONG_SECONDS, Strike, ask
from tests.faults.targets import Target

CLIENTS = 8

#: Seconds until a process that has ended is replaced, models loaded, on a busy machine.
_REPLACED_SECONDS = 40.0

#: Connections that are being made while the last worker closes its socket, once in many stops.
_AT_THE_CLOSE = 1

#: Seconds for which a file is locked for longer than any lease or patience lasts.
_LONGER_SECONDS = 20.0

#: Seconds by which an operator, or a virtual machine that wakes up, steps the wall clock.
_STEP_SECONDS = 7200.0


@dataclass(frozen=True)
class Fault:
    """One row of the table.

    Args:
        name: in the table.
        strike: does it.
        paths: what the clients ask meanwhile.
        guilty: what the guilty call may get.
        lost: how many other calls may fail.
        granian_lost: how many may under granian, which closes connections of clients that keep them.
        seconds: until all has to be well, and gone where the service ends.
        ends: whether the service is gone afterwards.
        on_small_disk: what of the service is on a small file system of its own, if anything is.
    """

    name: str
    strike: Callable[[Target], Strike]
    paths: tuple[str, ...] = ("/inline", "/hosted")
    guilty: tuple[str, ...] = ("",)
    lost: int = 0
    granian_lost: int = 0
    seconds: float = _REPLACED_SECONDS
    ends: bool = False
    on_small_disk: Literal["", "TMPDIR", "jobs"] = ""


def _deeds() -> list[Fault]:
    """Return the faults of a handler: those that Python can catch cost nobody else anything."""
    found = []
    for deed in ("sys.exit", "MemoryError"):
        for path in ("/inline", "/batched", "/hosted"):
            strike = partial(ask, path, deed)
            found.append(Fault(f"`{deed}`, {path[1:]}", strike, (path,), ("500",)))
    for deed in ("os._exit", "segfault"):
        for path in ("/inline", "/batched"):
            strike = partial(ask, path, deed)
            found.append(Fault(f"`{deed}`, {path[1:]}", strike, (path,), ("no answer",), lost=CLIENTS))
        found.append(Fault(f"`{deed}`, hosted", partial(ask, "/hosted", deed), ("/hosted",), ("500",)))
    return found


def _faults_of_jobs() -> list[Fault]:
    """Return those of the store, whose guilty call is for a job, and of the clock, which jobs outlive."""
    locked, either = job_strikes.lock_the_jobs, ("202", "503")
    ahead, back = (
        partial(job_strikes.step_the_clock, seconds) for seconds in (_STEP_SECONDS, -_STEP_SECONDS)
    )
    return [
        Fault("the file of jobs locked for 3 s", partial(locked, LONG_SECONDS), guilty=("503",)),
        Fault("the file of jobs locked for 20 s", partial(locked, _LONGER_SECONDS), guilty=("503",)),
        Fault("the file of jobs damaged", job_strikes.damage_the_jobs, guilty=either),
        Fault("the file of jobs cut in half", job_strikes.truncate_the_jobs, guilty=either),
        Fault("the file of jobs gone for 3 s", job_strikes.delete_the_jobs, guilty=("503",)),
        Fault("the file of jobs read-only for 3 s", job_strikes.make_the_jobs_read_only, guilty=("503",)),
        Fault(
            "the disk of jobs full for 3 s",
            job_strikes.fill_the_jobs_disk,
            guilty=("503",),
            on_small_disk="jobs",
        ),
        Fault("the wall clock stepped 2 h ahead under a job", ahead, guilty=("finished",)),
        Fault("the wall clock stepped 2 h back under a job", back, guilty=("finished",)),
    ]


def _faults_of_streams() -> list[Fault]:
    return [
        Fault("a client leaves its stream", stream_strikes.leave_a_stream, guilty=("whole",)),
        Fault("a client reads its stream after 3 s", stream_strikes.read_a_stream_slowly, guilty=("whole",)),
        Fault(
            "SIGKILL of the replica of a stream",
            stream_strikes.kill_the_replica_of_a_stream,
            guilty=("cut off", "ends early"),  # granian's WSGI ends it as if it were whole
        ),
    ]


FAULTS = {
    fault.name: fault
    for fault in (
        *_deeds(),
        Fault("SIGKILL of a worker", strikes.kill_a_worker, lost=CLIENTS),
        Fault("SIGKILL of a replica", strikes.kill_a_replica),
        Fault("SIGKILL of the supervisor", strikes.kill_the_supervisor),
        Fault("SIGSTOP of a replica", strikes.freeze_a_replica),
        Fault("`TMPDIR` full for 3 s, SIGKILL of a replica", strikes.fill_the_disk, on_small_disk="TMPDIR"),
        *_faults_of_jobs(),
        *_faults_of_streams(),
        Fault("SIGHUP", strikes.hang_up, granian_lost=2 * CLIENTS),
        Fault("SIGTERM", strikes.terminate, lost=_AT_THE_CLOSE, granian_lost=CLIENTS, seconds=2.0, ends=True),
        Fault("SIGKILL of the master", strikes.kill_the_master, lost=2 * CLIENTS, seconds=2.0, ends=True),
    )
}
