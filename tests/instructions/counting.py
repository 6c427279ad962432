"""Counts the bytecode instructions that a call executes: the same on every machine, however busy it is."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any

#: Calls before the one that is counted, so that caches are filled and a handler counts as quick.
WARM_UP = 50


def count(function: Callable[[], object]) -> Counter[str]:
    """Return the instructions that one call executes in Python code, by file and function."""
    for _ in range(WARM_UP):
        function()
    counts: Counter[str] = Counter()

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        if event == "opcode":
            counts[f"{frame.f_code.co_filename}:{frame.f_code.co_name}"] += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return counts
