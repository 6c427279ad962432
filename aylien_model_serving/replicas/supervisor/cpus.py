"""How many CPUs this container may use, and how many threads a replica's numeric libraries get.

Reads the affinity and the cgroups' files; knows nothing of slots and processes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

#: The first one also rules the others where they are not set.
_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def thread_variables(environ: Mapping[str, str], cpus: float, replicas: int) -> dict[str, str]:
    """Return the variables that divide the CPUs among the replicas; those that an operator has set stay.

    Args:
        environ: the variables of the service.
        cpus: CPUs, possibly a fraction.
        replicas: how many replicas share them.
    """
    if _VARIABLES[0] in environ:
        return {}
    threads = str(max(1, int(cpus / replicas)))
    return {name: threads for name in _VARIABLES if name not in environ}


def available(mounted: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")) -> float:
    """Return the CPUs that this process may use: the least of its affinity and its cgroups' quotas.

    Args:
        mounted: where the cgroups' files are mounted.
        membership: cgroups(7): lines of "number:controllers:path".
    """
    return min(_allowed(), *_quotas(mounted, membership), float("inf"))


def _allowed() -> float:
    try:
        return float(len(os.sched_getaffinity(0)))
    except AttributeError:  # not on this system
        return float(os.cpu_count() or 1)


def _quotas(mounted: Path, membership: Path) -> Iterator[float]:
    for line in _text(membership).splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            readers = [(root, _quota_v2) for root in (mounted, mounted / "unified")]
        elif "cpu" in controllers.split(","):
            readers = [(root, _quota_v1) for root in (mounted / "cpu", mounted / controllers)]
        else:
            continue
        for root, read in readers:
            for folder in _upwards(root, path):
                quota = read(folder)
                if quota is not None:
                    yield quota


def _upwards(root: Path, path: str) -> Iterator[Path]:
    """Yield a group's folder and those above it; a container may not see those that its path names."""
    relative = PurePosixPath(path.lstrip("/"))
    for part in (relative, *relative.parents):
        if ".." not in part.parts:
            yield root / part


def _quota_v2(folder: Path) -> float | None:
    quota, _, period = _text(folder / "cpu.max").strip().partition(" ")
    return _share(quota, period)


def _quota_v1(folder: Path) -> float | None:
    return _share(_text(folder / "cpu.cfs_quota_us").strip(), _text(folder / "cpu.cfs_period_us").strip())


def _share(quota: str, period: str) -> float | None:
    """Return CPUs; None where there is no limit, which version 2 writes as "max" and version 1 as -1."""
    if not quota.isdigit() or not period.isdigit() or not int(period):
        return None
    return int(quota) / int(period)


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
