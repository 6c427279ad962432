"""The faults, in the order of the table: what is done to a service under load, and what is promised of it."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from tests.faults.targets import Target
from tests.services.hosts import supervisor

CLIENTS = 8

#: Seconds until a process that has ended is replaced, models loaded, on a busy machine.
_REPLACED_SECONDS = 40.0


#: Seconds for which a disk is full or a file locked.
_LONG_SECONDS = 3.0


class Strike(NamedTuple):
    """What a fault did: who has to be gone before all is well, and what the guilty call got."""

    victims: set[int]
    guilty: str = ""


@dataclass(frozen=True)
class Fault:
    """One row of the table.

    Args:
        name: in the table.
        strike: does it.
        paths: what the clients ask meanwhile.
        guilty: what the guilty call may get.
        lost: how many other calls may fail.
        seconds: until all has to be well, and gone where the service ends.
        ends: whether the service is gone afterwards.
        on_small_disk: whether the service's TMPDIR is a small file system of its own.
    """

    name: str
    strike: Callable[[Target], Strike]
    paths: tuple[str, ...] = ("/inline", "/hosted")
    guilty: tuple[str, ...] = ("",)
    lost: int = 0
    seconds: float = _REPLACED_SECONDS
    ends: bool = False
    on_small_disk: bool = False


def ask(path: str, deed: str, target: Target) -> Strike:
    return Strike(set(), target.ask(path, deed))


def kill_a_worker(target: Target) -> Strike:
    return _signalled(signal.SIGKILL, target.service.workers()[0])


def kill_a_replica(target: Target) -> Strike:
    return _signalled(signal.SIGKILL, min(target.replicas()))


def kill_the_supervisor(target: Target) -> Strike:
    replicas = target.replicas()
    return Strike(_signalled(signal.SIGKILL, supervisor(target.service)).victims | replicas)


def _signalled(number: signal.Signals, pid: int) -> Strike:
    os.kill(pid, number)
    return Strike({pid})


def freeze_a_replica(target: Target) -> Strike:
    return _signalled(signal.SIGSTOP, min(target.replicas()))


def hang_up(target: Target) -> Strike:
    victims = {*target.service.workers(), *target.replicas()}
    target.service.process.send_signal(signal.SIGHUP)
    return Strike(victims)


def terminate(target: Target) -> Strike:
    target.service.process.terminate()
    return Strike(set())


def kill_the_master(target: Target) -> Strike:
    target.service.process.kill()
    return Strike(set())


def fill_the_disk(target: Target) -> Strike:
    """Leave no byte in TMPDIR for a while, in which a replica is to start."""
    filler = target.temporary / "filler"
    with filler.open("wb", 0) as file:
        for size in (1 << 16, 1):
            with suppress(OSError):
                while file.write(bytes(size)):
                    pass
    strike = kill_a_replica(target)
    time.sleep(_LONG_SECONDS)
    filler.unlink()
    return strike


def lock_the_jobs(target: Target) -> Strike:
    """Keep the file of the jobs locked for a while, in which one is to be made."""
    with closing(sqlite3.connect(target.jobs, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        strike = ask("/job", "", target)
        time.sleep(_LONG_SECONDS)
        other.execute("ROLLBACK")
    return strike


def damage_the_jobs(target: Target) -> Strike:
    with target.jobs.open("r+b") as file:
        file.write(os.urandom(8192))
    return ask("/job", "", target)


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


FAULTS = {
    fault.name: fault
    for fault in (
        *_deeds(),
        Fault("SIGKILL of a worker", kill_a_worker, lost=CLIENTS),
        Fault("SIGKILL of a replica", kill_a_replica),
        Fault("SIGKILL of the supervisor", kill_the_supervisor),
        Fault("SIGSTOP of a replica", freeze_a_replica),
        Fault("`TMPDIR` full for 3 s, SIGKILL of a replica", fill_the_disk, on_small_disk=True),
        Fault("the file of jobs locked for 3 s", lock_the_jobs, guilty=("503",)),
        Fault("the file of jobs damaged", damage_the_jobs, guilty=("202", "503")),
        Fault("SIGHUP", hang_up),
        Fault("SIGTERM", terminate, lost=CLIENTS, seconds=2.0, ends=True),
        Fault("SIGKILL of the master", kill_the_master, lost=2 * CLIENTS, seconds=2.0, ends=True),
    )
}
