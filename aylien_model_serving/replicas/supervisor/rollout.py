"""The rollout of a runner's versions: which ones retire, and which is the fallback of one that is not ready.

Pure: no clock, no processes; it knows the versions' statuses alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple


class VersionStatus(NamedTuple):
    """The status of one version.

    Args:
        group: the service and the name, which all versions of a runner share.
        since: when the latest process that needed it began to host, in `time.monotonic()` seconds.
        is_ready: whether a replica of it takes calls.
        is_needed: whether a connected worker needs it.
        is_released: whether the last worker that needed it has released it.
    """

    group: tuple[str, str]
    since: float
    is_ready: bool
    is_needed: bool
    is_released: bool


def versions_to_retire(statuses: Mapping[str, VersionStatus]) -> list[str]:
    """Return the keys of the versions to retire.

    A worker that dies retires nothing by itself: the worker that replaces it will need the same version.
    """
    return [
        key
        for key, status in statuses.items()
        if not status.is_needed
        and (status.is_released or any(_replaces(other, status) for other in statuses.values()))
    ]


def _replaces(other: VersionStatus, status: VersionStatus) -> bool:
    return other.group == status.group and other.is_ready and other.since > status.since


def fallback_version(key: str, statuses: Mapping[str, VersionStatus]) -> str | None:
    """Return the key of the version that serves for one without a ready replica: the latest older one."""
    needed = statuses[key]
    if needed.is_ready:
        return None
    return _latest((other, status) for other, status in statuses.items() if _may_fall_back_to(status, needed))


def _may_fall_back_to(status: VersionStatus, needed: VersionStatus) -> bool:
    return status.group == needed.group and status.is_ready and status.since < needed.since


def _latest(found: Iterable[tuple[str, VersionStatus]]) -> str | None:
    return max(found, key=lambda item: item[1].since, default=(None, None))[0]
