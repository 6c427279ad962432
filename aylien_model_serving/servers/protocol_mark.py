"""The mark by which servers that inspect an application, instead of being told, take it for an ASGI one."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any


def mark_as_coroutine_function(function: Any) -> None:
    """Let servers that detect the protocol by inspection take the app for an ASGI application."""
    if hasattr(inspect, "markcoroutinefunction"):
        inspect.markcoroutinefunction(function)
    else:
        function._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]
