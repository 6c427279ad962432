"""The key `runner` with `"engine": "ray"`: which options it has, and why the others make no sense there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.executors.ray_options import RayOptions
from aylien_model_serving.routing import values

#: Where replicas may be: processes of this machine, or of a Ray cluster.
_ENGINES = ("local", "ray")

#: Replicas of one model on a cluster, at most.
_MOST_REPLICAS = 1000

#: CPUs or GPUs of one replica, at most.
_MOST_OF_A_NODE = 1024

#: Options of replicas on this machine that mean the same on another one.
_OF_BOTH = ("init", "start_timeout", "health", "env")

#: Why the others are refused, as the end of a sentence.
_REFUSED = {
    "devices": "Ray chooses the devices: say with 'num_gpus' how many a replica takes, or what part of one",
    "kill_after": "nobody watches a run on another machine: give the route a 'timeout'",
    "unresponsive_after": "Ray's own health checks find what does not answer",
    "recycle_after": "Ray replaces replicas that end, and no others",
    "idle": "with 0 replicas at least, as in [0, 4], Ray unloads what nobody calls",
    "nice": "Ray places replicas by 'num_cpus'",
}


def engine(value: Any) -> str:
    """Return the word for where replicas are."""
    if value not in _ENGINES:
        raise ConfigurationError(f"one of {', '.join(map(repr, _ENGINES))} is expected; this is {value!r}")
    return str(value)


def is_meant(value: Mapping[Any, Any]) -> bool:
    """Return whether the options of a runner are for Ray."""
    return value.get("engine") == "ray"


def read(
    value: Mapping[Any, Any], readers: Mapping[str, Callable[[Any], Any]]
) -> tuple[dict[str, Any], RayOptions]:
    """Return the options that all runners have, and those for Ray.

    Args:
        value: the options as the user wrote them.
        readers: of the options of replicas on this machine.

    Raises:
        ConfigurationError: an option is unknown or makes no sense with Ray, or its value is wrong.
    """
    for key, why in _REFUSED.items():
        if key in value:
            raise ConfigurationError(f"key {key!r} is not for the engine 'ray': {why}")
    of_both = {key: reader for key, reader in readers.items() if key in _OF_BOTH}
    found = values.read_nested(value, {"engine": engine, **_READERS, **of_both})
    of_ray = {key: found[key] for key in _READERS if key in found}
    return {key: found[key] for key in of_both if key in found}, RayOptions(**of_ray)


def _replicas(value: Any) -> tuple[int, int]:
    try:
        least, most = (value, value) if isinstance(value, int) else value
        values.count(most, _MOST_REPLICAS)
        if 0 <= values.times(least) <= most and (least or not isinstance(value, int)):
            return least, most
    except (TypeError, ValueError, ConfigurationError):
        pass
    raise ConfigurationError(
        f"a number of 1 or more, or the least and the most as in [0, 8], is expected; this is {value!r}"
    )


def _share(value: Any) -> float:
    """Return a number of CPUs or GPUs; none, and parts of one, too."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= _MOST_OF_A_NODE or (value > 1 and value % 1):
        raise ConfigurationError(
            f"a part of 1, or a whole number up to {_MOST_OF_A_NODE}, is expected; this is {value!r}"
        )
    return float(value)


_READERS: dict[str, Callable[[Any], Any]] = {
    "replicas": _replicas,
    "num_cpus": _share,
    "num_gpus": _share,
    "target_ongoing": values.count,
    "upscale_delay": values.seconds,
    "downscale_delay": values.seconds,
}
