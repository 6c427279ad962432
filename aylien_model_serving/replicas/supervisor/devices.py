"""Which GPUs are visible, which replica gets which, and the environment that shows a replica its own alone.

Pure but for listing /dev. CUDA is never touched: a process that has touched it holds memory on every GPU.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from aylien_model_serving.errors import ConfigurationError

_VARIABLE = "CUDA_VISIBLE_DEVICES"
_CPU = "cpu"


def visible(environ: Mapping[str, str], folder: Path = Path("/dev")) -> tuple[str, ...]:
    """Return the entries of CUDA_VISIBLE_DEVICES, or those that it would have if it were set.

    Args:
        environ: the variables of the service.
        folder: where the driver's device files are.
    """
    if _VARIABLE in environ:
        return _entries(environ[_VARIABLE])
    count = sum(re.fullmatch(r"nvidia\d+", file.name) is not None for file in folder.glob("nvidia*"))
    return tuple(map(str, range(count)))


def _entries(text: str) -> tuple[str, ...]:
    """Return the valid entries, UUIDs of GPUs and MIG instances too: all behind an invalid one is ignored."""
    found: list[str] = []
    for entry in map(str.strip, text.split(",")):
        if not re.fullmatch(r"\d+|GPU-.+|MIG-.+", entry):
            break
        found.append(entry)
    return tuple(found)


def assign(
    wanted: str | Sequence[str], replicas: int, gpus: int, taken: Mapping[str, int]
) -> tuple[str, ...]:
    """Return the device of each replica.

    Args:
        wanted: "auto" for one GPU each in turn, or the devices to assign in turn.
        replicas: how many devices are needed.
        gpus: how many GPUs are visible.
        taken: how many replicas each device has already.
    """
    if wanted != "auto":
        named = [wanted] if isinstance(wanted, str) else wanted
        return tuple(named[number % len(named)] for number in range(replicas))
    if not gpus:
        return (_CPU,) * replicas
    load, found = Counter(taken), []
    for _ in range(replicas):
        device = min((f"cuda:{index}" for index in range(gpus)), key=load.__getitem__)
        load[device] += 1
        found.append(device)
    return tuple(found)


def environment(device: str, entries: Sequence[str]) -> dict[str, str]:
    """Return the variables by which a replica sees its own GPU and no other.

    Args:
        device: "cpu", "cuda:<index among the entries>", or the name of a device that is not CUDA's.
        entries: what is visible.

    Raises:
        ConfigurationError: there is no such GPU.
    """
    if device == _CPU:
        return {_VARIABLE: ""}
    index = _index(device)
    if index is None:
        return {}
    if index >= len(entries):
        raise ConfigurationError(
            f"the device {device!r} is not there: {len(entries)} GPUs are visible here "
            f"({', '.join(entries) or 'none'})"
        )
    return {_VARIABLE: entries[index]}


def device_in_replica(device: str) -> str:
    """Return the name of a replica's device within the replica: the only GPU that it sees is the first."""
    return device if _index(device) is None else "cuda:0"


def _index(device: str) -> int | None:
    match = re.fullmatch(r"cuda(?::(\d+))?", device)
    return None if match is None else int(match[1] or 0)
