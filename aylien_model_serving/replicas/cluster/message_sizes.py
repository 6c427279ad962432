"""How many calls a message to a replica on Ray may have, and how many messages it is to have at a time.

Pure. The gateway gathers calls by it, and Ray is told to add replicas by it.
"""

from __future__ import annotations

from aylien_model_serving.executors.ray_options import RayOptions
from aylien_model_serving.rpc.spec import Spec

#: Messages that a replica which takes batches has at a time: while it works on one, the next is on its way.
_AT_A_TIME = 2


def message_size(spec: Spec) -> int:
    """Return how many calls a message may have: as many as a batch, where there are any."""
    return 1 if spec.batching is None or spec.streams else spec.batching.max_size


def target_messages(spec: Spec, options: RayOptions) -> int:
    """Return how many messages each replica is to have at a time."""
    return options.target_ongoing if message_size(spec) == 1 else _AT_A_TIME * spec.threads
