"""Where the processes of a service count on one machine: the folder of the service's owner."""

from __future__ import annotations

import logging
from functools import cache
from typing import NamedTuple

from aylien_model_serving.limiting.machine_counts import MachineCounts
from aylien_model_serving.limiting.running_calls import RunningCalls
from aylien_model_serving.process import owner

logger = logging.getLogger(__name__)


class MachineStores(NamedTuple):
    """What this process counts in, with the others of its service."""

    counts: MachineCounts
    running: RunningCalls


@cache
def stores() -> MachineStores:
    """Return what this process counts in; the same at each call, since its locks are the process's own."""
    if not owner.serves_with_others():
        return MachineStores(MachineCounts(), RunningCalls())
    try:
        folder = owner.folder(owner.find())
        return MachineStores(MachineCounts(folder / "limits"), RunningCalls(folder / "running-calls"))
    except OSError as error:
        logger.warning(
            "Each process counts calls by itself, so that a limit is that of one process: %s", error
        )
        return MachineStores(MachineCounts(), RunningCalls())
