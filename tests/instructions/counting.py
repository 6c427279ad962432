"""Counts the bytecode instructions that a call executes: the same on every machine, however busy it is."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

#: Calls before the one that is counted, so that caches are filled and a handler counts as quick.
WARM_UP = 50


def count(function: Callable[[], object]) -> Counter[str]:
    """Return the instructions that one call executes in Python code, by file and function."""
    for _ in range(WARM_UP):
        function()
    counts: Counter[str] = Counter()
    with _monitored(counts) if hasattr(sys, "monitoring") else _traced(counts):
        function()
    return counts


def _location(code: CodeType) -> str:
    return f"{code.co_filename}:{code.co_name}"


@contextmanager
def _monitored(counts: Counter[str]) -> Iterator[None]:
    """PEP 669, from Python 3.12 on, where tracing by opcodes misses frames that are resumed."""
    monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]  # not in Python 3.10's
    tool = monitoring.PROFILER_ID

    def record(code: CodeType, _: int) -> None:
        counts[_location(code)] += 1

    monitoring.use_tool_id(tool, "instructions")
    monitoring.register_callback(tool, monitoring.events.INSTRUCTION, record)
    monitoring.set_events(tool, monitoring.events.INSTRUCTION)
    try:
        yield
    finally:
        monitoring.set_events(tool, monitoring.events.NO_EVENTS)
        monitoring.free_tool_id(tool)


@contextmanager
def _traced(counts: Counter[str]) -> Iterator[None]:
    def trace(frame: FrameType, event: str, _: Any) -> Any:
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        if event == "opcode":
            counts[_location(frame.f_code)] += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)
