"""The key `runner`: which replicas host a handler, on which devices, and when they come and go."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.executors.ray_options import RayOptions
from aylien_model_serving.routing import ray_runner, values

#: Seconds between two questions, and failures in a row after which a replica is replaced.
_HEALTH = {"every": 10.0, "failures": 3.0}


@dataclass(frozen=True)
class RunnerOptions:
    """Options of a handler that runs in replicas; each field is the key of the same name in `runner`.

    Args:
        replicas: how many processes hold a copy of the model; or how many at least and at most.
        devices: "auto" for one GPU each in turn where there are any, else the CPU; or the names of devices,
            those of a group with commas between them.
        init: keyword arguments that the handler's class is built with.
        start_timeout: seconds that a replica may take to build and warm up its handler.
        kill_after: seconds after which one run of the handler counts as stuck, and its replica is replaced.
        unresponsive_after: seconds without a sign of life after which a replica is sent no calls.
        recycle_after: after how many "calls", or above how many MiB of memory ("mb"), a replica is replaced.
        env: variables of the replicas' environment.
        nice: by how much the replicas stand back behind other processes, up to 19.
        idle: seconds without a call after which the replicas are unloaded until the next one.
        health: "every" how many seconds the handler's `health()` is asked, and after how many "failures" in a
            row its replica is replaced; None not to ask.
        ray: the replicas on a Ray cluster; None where they are processes of this machine. With them, the one
            process here is the gateway to that cluster.
    """

    replicas: int | tuple[int, int] = 1
    devices: str | tuple[str, ...] = "auto"
    init: Mapping[str, Any] = field(default_factory=dict)
    start_timeout: float = 300.0
    kill_after: float | None = None
    unresponsive_after: float | None = 10.0
    recycle_after: Mapping[str, float] = field(default_factory=dict)
    idle: float | None = None
    health: Mapping[str, float] | None = field(default_factory=lambda: dict(_HEALTH))
    env: Mapping[str, str] = field(default_factory=dict)
    nice: int = 0
    ray: RayOptions | None = None


def read(value: Any) -> RunnerOptions | None:
    """Return the options of the key `runner`; None where it is False.

    Raises:
        ConfigurationError: an option is unknown, or its value wrong.
    """
    if isinstance(value, bool):
        return RunnerOptions() if value else None
    if isinstance(value, Mapping) and ray_runner.is_meant(value):
        of_both, ray = ray_runner.read(value, _READERS)
        return RunnerOptions(**of_both, devices=("cpu",), ray=ray)
    found = values.read_nested(value, _READERS)
    found.pop("engine", None)
    options = RunnerOptions(**found)
    least = options.replicas if isinstance(options.replicas, int) else options.replicas[0]
    if isinstance(value.get("devices"), Mapping) and least > len(options.devices):
        raise ConfigurationError(
            f"key 'devices': there are places for {len(options.devices)} replicas, and 'replicas' is {least}"
        )
    return options


def _replicas(value: Any) -> int | tuple[int, int]:
    if isinstance(value, int):
        return values.replicas(value)
    try:
        least, most = map(values.replicas, value)
        if least <= most:
            return (least, most) if least < most else least
    except (TypeError, ValueError, ConfigurationError):
        pass
    raise ConfigurationError(
        f"a number of 1 or more, or the least and the most as in [1, 4], is expected; this is {value!r}"
    )


def _devices(value: Any) -> str | tuple[str, ...]:
    if value == "auto":
        return "auto"
    if isinstance(value, Mapping):
        return _places(value)
    names = () if isinstance(value, str) or not isinstance(value, Iterable) else tuple(map(_device, value))
    if not names or None in names:
        raise ConfigurationError(
            "'auto', a list like ['cuda:0', 'cpu'] or ['cuda:0', ['cuda:1', 'cuda:2']], or a dict like "
            f"{{'cuda:0': 2}} is expected; this is {value!r}"
        )
    return tuple(filter(None, names))


def _device(value: Any) -> str | None:
    """Return a device's name, or the names of a group of GPUs with commas between them; None for others."""
    if isinstance(value, str):
        return value if _DEVICE.fullmatch(value) else None
    if not isinstance(value, (list, tuple)) or len(value) < 2 or len(set(map(str, value))) < len(value):
        return None
    if not all(isinstance(name, str) and _GPU.fullmatch(name) for name in value):
        return None
    return ",".join(value)


def _places(value: Mapping[Any, Any]) -> tuple[str, ...]:
    """Return each device as often as it has places for replicas, all of them in turn."""
    counts: dict[str, int] = {}
    for key, item in value.items():
        device = _device(key)
        if device is None:
            raise ConfigurationError(f"a device like 'cuda:0' or 'cpu' is expected; this is {key!r}")
        if isinstance(item, bool) or not isinstance(item, int) or not 1 <= item <= _MOST_PLACES:
            raise ConfigurationError(
                f"{device!r}: how many replicas share it, from 1 to {_MOST_PLACES}, is expected; "
                f"this is {item!r}"
            )
        counts[device] = item
    if not counts:
        raise ConfigurationError("a dict like {'cuda:0': 2} is expected; this is {}")
    rounds = range(max(counts.values()))
    return tuple(device for turn in rounds for device, count in counts.items() if turn < count)


_GPU = re.compile(r"cuda:[0-9]{1,3}")
_DEVICE = re.compile(r"cpu|mps|cuda:[0-9]{1,3}")

#: Replicas that may share a device.
_MOST_PLACES = 64


def _env(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"a dict of names and texts is expected; this is {value!r}")
    for name, text in value.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ConfigurationError(f"a variable's name has letters, digits and '_'; this is {name!r}")
        if not isinstance(text, str) or "\0" in text:
            raise ConfigurationError(f"{name}: a text is expected, as in '1'; this is {text!r}")
        if name == "CUDA_VISIBLE_DEVICES":
            raise ConfigurationError(f"{name}: say with the option 'devices' which GPUs replicas see")
        if name.startswith("MODEL_SERVING_") or name == "PROMETHEUS_MULTIPROC_DIR":
            raise ConfigurationError(
                f"{name}: it is a setting of the whole service: set it where that starts"
            )
    return dict(value)


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _nice(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 19:
        raise ConfigurationError(f"a whole number from 0 to 19 is expected; this is {value!r}")
    return value


def _init(value: Any) -> Mapping[str, Any]:
    """Arguments are sent to another process as MessagePack, and have to arrive unchanged."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ConfigurationError(
            f"the keyword arguments of the class are expected, as a dict; this is {value!r}"
        )
    try:
        same = msgspec.msgpack.decode(msgspec.msgpack.encode(value)) == value
    except (TypeError, ValueError, OverflowError):
        same = False
    if not same:
        raise ConfigurationError(
            "it travels to another process: only None, switches, numbers, text, bytes, lists and dicts of "
            f"them are the same there; this is {value!r}"
        )
    return dict(value)


def _recycle_after(value: Any) -> dict[str, float]:
    if not isinstance(value, Mapping) or not value:
        raise ConfigurationError(f"a dict of 'calls', 'mb' or both is expected; this is {value!r}")
    found = values.read_nested(value, {"calls": values.count, "mb": values.count})
    return {key: float(item) for key, item in found.items()}


def _health(value: Any) -> dict[str, float] | None:
    if isinstance(value, bool):
        return dict(_HEALTH) if value else None
    found = values.read_nested(value, {"every": values.seconds, "failures": values.count})
    return {**_HEALTH, **{key: float(item) for key, item in found.items()}}


_READERS: dict[str, Callable[[Any], Any]] = {
    "replicas": _replicas,
    "devices": _devices,
    "init": _init,
    "start_timeout": values.seconds,
    "kill_after": values.optional(values.seconds),
    "unresponsive_after": values.optional(values.seconds),
    "recycle_after": _recycle_after,
    "env": _env,
    "nice": _nice,
    "idle": values.optional(values.seconds),
    "health": _health,
    "engine": ray_runner.engine,
}
