"""Checks that what the patches of Gunicorn replace or rely on is there; one line of its log if not."""

from __future__ import annotations

import inspect
import logging
from importlib.metadata import version
from typing import Any

logger = logging.getLogger("gunicorn.error")

_warned: set[str] = set()


def replace(owner: Any, name: str, parameters: tuple[str, ...], replacement: Any, effect: str) -> None:
    """Replace a function or class of Gunicorn, if it is there with just these parameters.

    Args:
        owner: the module or class that has it.
        name: of the attribute.
        parameters: names of its parameters.
        replacement: what takes its place.
        effect: of doing without the patch, for the log.
    """
    current = getattr(owner, name, None)
    if current is replacement:
        return
    if current is None or parameters_of(current) != parameters:
        warn(f"{owner.__name__}.{name}({', '.join(parameters)})", effect)
    else:
        setattr(owner, name, replacement)


def parameters_of(function: Any) -> tuple[str, ...] | None:
    """Return the names of a function's parameters; None for what has none."""
    try:
        return tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return None


def warn(name: str, effect: str) -> None:
    """Log once in this process, and in those forked from it, that a patch is left out."""
    if name not in _warned:
        _warned.add(name)
        logger.warning("Gunicorn %s lacks %s: %s", version("gunicorn"), name, effect)


def members(worker: Any, names: list[str]) -> str:
    """Return how a warning calls some attributes of a worker."""
    return f"{type(worker).__name__}.{', '.join(names)}"
