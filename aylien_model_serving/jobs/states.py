"""The states of a job, and the one table of what follows what.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

Status = Literal["queued", "processing", "streaming", "finished", "failed", "cancelled"]

STATUSES: tuple[Status, ...] = get_args(Status)

_ENDS: frozenset[Status] = frozenset({"finished", "failed", "cancelled"})

#: Where each state may lead. A job that runs goes back to the queue when it is to be tried again.
TRANSITIONS: Mapping[Status, frozenset[Status]] = {
    "queued": frozenset({"processing", "cancelled"}),
    "processing": _ENDS | {"streaming", "queued"},
    "streaming": _ENDS | {"queued"},
    "finished": frozenset(),
    "failed": frozenset(),
    "cancelled": frozenset(),
}

#: States in which a process runs the job and holds its lease.
RUNNING: frozenset[Status] = frozenset({"processing", "streaming"})

#: States that last.
ENDED: frozenset[Status] = frozenset(status for status in STATUSES if not TRANSITIONS[status])


class IllegalTransition(Exception):
    """A job was moved where its state does not lead; a mistake of the caller."""


def move(current: Status, following: Status) -> Status:
    """Return the state that follows.

    Raises:
        IllegalTransition: the table does not lead there.
    """
    if following not in TRANSITIONS[current]:
        raise IllegalTransition(f"A job that is {current} can't become {following}")
    return following
