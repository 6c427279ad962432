"""Prints, as JSON, by how many bytes the memory of a process grows while it reads each kind of body."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from pathlib import Path

from aylien_model_serving.errors import ServingError
from tests.costs.inputs import INPUTS, Input
from tests.costs.measuring import Work


def peak() -> int:
    """Return the most bytes of memory that this process has had."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 if found is not None else 0


def growth_of(work: Work) -> int:
    """Return by how much the memory of a child of this process grows while it does some work."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        before = peak()
        with contextlib.suppress(ServingError):
            work()
        os.write(writer, str(peak() - before).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as told:
        text = told.read()
    os.waitpid(child, 0)
    return int(text)


def bodies() -> list[Input]:
    """Return the kinds of input that are bodies."""
    return [each for each in INPUTS if each.media_type]


def main(size: int) -> None:
    """Run as a program, for bodies of so many bytes."""
    json.dump({each.name: growth_of(each.work(size)) for each in bodies()}, sys.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]))
