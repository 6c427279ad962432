"""What Ray Serve is told of a runner: how many replicas there may be, what each takes, when there are more.

Pure; Ray is not known here.
"""

from __future__ import annotations

import msgspec


class RayOptions(msgspec.Struct, frozen=True):
    """Replicas of a handler on the machines of a Ray cluster.

    Args:
        replicas: how many there are at least and at most; at least 0.
        num_cpus: of those that Ray's nodes offer, how many each takes; parts of one too.
        num_gpus: likewise.
        target_ongoing: calls that a replica is to have at a time; with more, there are more replicas.
        upscale_delay: seconds for which there are too many calls before replicas are added.
        downscale_delay: seconds for which there are too few before replicas are removed, the last one too.
    """

    replicas: tuple[int, int] = (1, 1)
    num_cpus: float = 1.0
    num_gpus: float = 0.0
    target_ongoing: int = 8
    upscale_delay: float = 3.0
    downscale_delay: float = 60.0
