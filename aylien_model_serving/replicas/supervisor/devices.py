"""Which GPUs are visible, which replica gets which, and the environment that shows a replica its own alone.

Pure but for listing /dev. CUDA is never touched: a process that has touched it holds memory on every GPU.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
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


def choose(wanted: str | Sequence[str], number: int, gpus: int, taken: Iterable[str]) -> str:
    """Return the device of a replica.

    Args:
        wanted: "auto" for one GPU each in turn, or the devices to assign in turn.
        number: the replica's among those of its runner.
        gpus: how many GPUs are visible.
        taken: the device of each other replica.
    """
    if wanted != "auto":
        named = [wanted] if isinstance(wanted, str) else wanted
        return named[number % len(named)]
    load = Counter(itertools.chain.from_iterable(device.split(",") for device in taken))
    return min((f"cuda:{index}" for index in range(gpus)), key=load.__getitem__, default=_CPU)


def room(wanted: str | Sequence[str], gpus: int) -> float:
    """Return how many replicas the devices have room for: one on each GPU, and any number on a CPU alone.

    Args:
        wanted: as in `choose`.
        gpus: how many GPUs are visible.
    """
    if wanted == "auto":
        return gpus or math.inf
    named = [wanted] if isinstance(wanted, str) else wanted
    return math.inf if set(named) == {_CPU} else len(named)


def environment(device: str, entries: Sequence[str]) -> dict[str, str]:
    """Return the variables by which a replica sees its own GPUs and no other.

    Args:
        device: "cpu", "cuda:<index among the entries>", several of these with commas between them, or the
            name of a device that is not CUDA's.
        entries: what is visible.

    Raises:
        ConfigurationError: there is no such GPU.
    """
    if device == _CPU:
        return {_VARIABLE: ""}
    found = [_entry(name, entries) for name in device.split(",")]
    return {_VARIABLE: ",".join(filter(None, found))} if all(found) else {}


def _entry(device: str, entries: Sequence[str]) -> str | None:
    """Return what is visible of a device; None where it is not CUDA's."""
    index = _index(device)
    if index is None:
        return None
    if index >= len(entries):
        raise ConfigurationError(
            f"the device {device!r} is not there: {len(entries)} GPUs are visible here "
            f"({', '.join(entries) or 'none'})"
        )
    return entries[index]


def device_in_replica(device: str) -> str:
    """Return the name of a replica's device within the replica: the first of the GPUs that it sees."""
    return device if _index(device.partition(",")[0]) is None else "cuda:0"


def _index(device: str) -> int | None:
    match = re.fullmatch(r"cuda(?::(\d+))?", device)
    return None if match is None else int(match[1] or 0)
