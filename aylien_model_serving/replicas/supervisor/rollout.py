"""Which versions of a runner go, and which one stands in for another that is not ready.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Standing(NamedTuple):
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


def to_retire(standings: Mapping[str, Standing]) -> list[str]:
    """Return the keys of the versions that go.

    A worker that vanishes retires nothing by itself: the one that takes its place will want the same.
    """
    return [
        key
        for key, standing in standings.items()
        if not standing.is_wanted
        and (standing.is_released or any(_replaces(other, standing) for other in standings.values()))
    ]


def _replaces(other: Standing, standing: Standing) -> bool:
    return other.group == standing.group and other.is_ready and other.since > standing.since


def stand_in(key: str, standings: Mapping[str, Standing]) -> str | None:
    """Return the key of the version that answers for one without a ready replica: the latest older one."""
    wanted = standings[key]
    if wanted.is_ready:
        return None
    return _latest(
        (other, standing) for other, standing in standings.items() if _may_stand_in(standing, wanted)
    )


def _may_stand_in(standing: Standing, wanted: Standing) -> bool:
    return standing.group == wanted.group and standing.is_ready and standing.since < wanted.since


def _latest(found: Iterable[tuple[str, Standing]]) -> str | None:
    return max(found, key=lambda item: item[1].since, default=(None, None))[0]
