"""What a service asks of the machines that run it, as far as its routes say.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

#: MiB of a replica whose route does not say when it has too much: a number to start from, and to measure.
_REPLICA_MB = 1024


@dataclass(frozen=True)
class RunnerNeeds:
    """The replicas of one handler or model.

    Args:
        name: of the runner, as metrics have it.
        least: replicas that are there without a call.
        most: replicas at the most.
        calls: that each runs at a time, on its threads or in a batch.
        start_timeout: seconds that one of them may take to be ready.
        gpus: that a machine has to have, by the devices which the route names; 0 where it names none.
        memory_mb: MiB above which a replica is replaced; None where none are said.
    """

    name: str
    least: int = 1
    most: int = 1
    calls: int = 1
    start_timeout: float = 300.0
    gpus: int = 0
    memory_mb: float | None = None


@dataclass(frozen=True)
class Workload:
    """The two tiers of a service: web servers, and workers of jobs with their replicas.

    Args:
        web: runners of the routes that answer at once, and of the models that they call.
        jobs: runners of the routes whose calls are jobs, and of the models that they call.
        has_jobs: whether a route's calls are jobs.
        job_grace: seconds that the most patient of its jobs has to stop by itself.
        shares_counts: whether a route caches answers or limits callers, which machines share in Redis.
    """

    web: tuple[RunnerNeeds, ...] = ()
    jobs: tuple[RunnerNeeds, ...] = ()
    has_jobs: bool = False
    job_grace: float = 0.0
    shares_counts: bool = False


def loading_seconds(runners: Iterable[RunnerNeeds], *, in_parallel: bool) -> float:
    """Return the seconds until all replicas are ready at the latest.

    Args:
        runners: of one tier.
        in_parallel: whether replicas may load at the same time; else one does after the other.
    """
    each = [runner.start_timeout * (1 if in_parallel else runner.least) for runner in runners]
    return max(each, default=0.0) if in_parallel else sum(each)


def replicas_mb(runners: Iterable[RunnerNeeds]) -> float:
    """Return the MiB of all replicas when there are as many as there may be."""
    return sum(runner.most * (runner.memory_mb or _REPLICA_MB) for runner in runners)


def gpus_of(runners: Iterable[RunnerNeeds], given: int | None) -> int:
    """Return the GPUs of a tier's machine.

    Args:
        runners: of the tier; without any, it needs no GPU.
        given: as many, whatever devices routes name; None for those.
    """
    needed = [runner.gpus if given is None else given for runner in runners]
    return max(needed, default=0)
