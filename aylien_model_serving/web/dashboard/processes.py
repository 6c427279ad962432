"""The processes of a service, with their memory, their time, and what replicas hold on their GPUs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from aylien_model_serving.process import owner, usage

#: Processes that are shown at most.
_MOST = 100


def describe(runners: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the processes: the server's own, its workers, the supervisor, the replicas, and their helpers.

    Args:
        runners: as a snapshot has them.
    """
    found: dict[int, dict[str, Any]] = {}
    for pid, role, gpu in _roles(runners):
        used = usage.of(pid)
        if used is not None and len(found) < _MOST and pid not in found:
            shown = {"pid": pid, "role": role, "memory": used.memory, "cpu": round(used.cpu, 2)}
            found[pid] = shown if gpu is None else {**shown, "gpu": gpu}
    return list(found.values())


def _roles(runners: Iterable[Mapping[str, Any]]) -> Iterator[tuple[int, str, int | None]]:
    """Yield process ids with what they are for, and bytes of a GPU; an id may come again."""
    replicas = [
        (replica["pid"], f"{runner['name']}, replica {replica['number']}", replica.get("gpu_bytes"))
        for runner in runners
        for replica in runner["replicas"]
        if replica["pid"]
    ]
    supervisors = {used.parent for pid, *_ in replicas if (used := usage.of(pid)) is not None}
    yield from replicas
    yield from ((pid, "supervisor", None) for pid in sorted(supervisors))
    serving = owner.find()
    yield serving, "server", None
    workers = sorted(usage.children(serving))
    yield from ((pid, "worker", None) for pid in workers)
    for parent in (*workers, *(pid for pid, *_ in replicas)):
        yield from ((pid, "helper", None) for pid in sorted(usage.children(parent)))
