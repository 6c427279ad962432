"""Which versions of a runner go, and which one stands in for another that is not ready.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple


class VersionStatus(NamedTuple):
    """How one version stands.

    Args:
        group: the service and the name, which all versions of a runner share.
        since: when the latest process that wanted it began to host, in `time.monotonic()` seconds.
        is_ready: whether a replica of it takes calls.
        is_wanted: whether a connected worker wants it.
        is_released: whether the last worker to want it has said that it does not any more.
    """

    group: tuple[str, str]
    since: float
    is_ready: bool
    is_wanted: bool
    is_released: bool


def retired_versions(statuses: Mapping[str, VersionStatus]) -> list[str]:
    """Return the keys of the versions that go.

    A worker that vanishes retires nothing by itself: the one that takes its place will want the same.
    """
    return [
        key
        for key, version_status in statuses.items()
        if not version_status.is_wanted
        and (
            version_status.is_released or any(_replaces(other, version_status) for other in statuses.values())
        )
    ]


def _replaces(other: VersionStatus, version_status: VersionStatus) -> bool:
    return other.group == version_status.group and other.is_ready and other.since > version_status.since


def fallback_version(key: str, statuses: Mapping[str, VersionStatus]) -> str | None:
    """Return the key of the version that answers for one without a ready replica: the latest older one."""
    wanted = statuses[key]
    if wanted.is_ready:
        return None
    return _latest(
        (other, version_status)
        for other, version_status in statuses.items()
        if _may_fall_back_to(version_status, wanted)
    )


def _may_fall_back_to(version_status: VersionStatus, wanted: VersionStatus) -> bool:
    return (
        version_status.group == wanted.group
        and version_status.is_ready
        and version_status.since < wanted.since
    )


def _latest(found: Iterable[tuple[str, VersionStatus]]) -> str | None:
    return max(found, key=lambda item: item[1].since, default=(None, None))[0]
