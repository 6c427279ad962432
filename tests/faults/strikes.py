"""What is done to a service's processes, and by the handler that a call runs."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from tests.faults.targets import Target
from tests.services.hosts import supervisor

#: Seconds for which a disk is full, a file locked, or a client slow.
LONG_SECONDS = 3.0


class Strike(NamedTuple):
    """What a fault did: who has to be gone before all is well, and what the guilty call got."""

    victims: set[int]
    guilty: str = ""


def ask(path: str, deed: str, target: Target) -> Strike:
    return Strike(set(), target.ask(path, deed))


def kill_a_worker(target: Target) -> Strike:
    return _signalled(signal.SIGKILL, min(target.workers()))


def kill_a_replica(target: Target) -> Strike:
    return _signalled(signal.SIGKILL, min(target.ready()))


def kill_the_supervisor(target: Target) -> Strike:
    replicas = target.replicas()
    return Strike(_signalled(signal.SIGKILL, supervisor(target.service)).victims | replicas)


def _signalled(number: signal.Signals, pid: int) -> Strike:
    os.kill(pid, number)
    return Strike({pid})


def freeze_a_replica(target: Target) -> Strike:
    return _signalled(signal.SIGSTOP, min(target.ready()))


def hang_up(target: Target) -> Strike:
    # Those of other servers start no replicas anew at a reload: that is a hook of Gunicorn's.
    victims = target.workers() | (set() if target.server == "granian" else target.replicas())
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
    with filled(target.temporary):
        strike = kill_a_replica(target)
        time.sleep(LONG_SECONDS)
    return strike


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Leave no byte on a folder's disk until the block ends."""
    filler = folder / "filler"
    with filler.open("wb", 0) as file:
        for size in (1 << 16, 1):
            with suppress(OSError):
                while file.write(bytes(size)):
                    pass
    yield
    filler.unlink()
