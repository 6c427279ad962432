"""The table of the guide: faults down, servers across."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from tests.faults.faults import FAULTS
from tests.faults.measuring import Outcome
from tests.faults.targets import SERVERS
from tests.services.serving import PROJECT

PAGE = PROJECT / "docs/guide/operations.md"
BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"

#: What came of each fault under each server; None where this machine can't have it.
Found = Mapping[str, Mapping[str, Outcome | None]]


def write(found: Found, machine: str, path: Path = PAGE) -> None:
    """Write the table between the markers of a page."""
    before, begin, rest = path.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{path} lacks {BEGIN} and {END}")
    path.write_text(f"{before}{begin}\n{machine}\n\n{table(found)}\n{end}{after}")


def table(found: Found) -> str:
    """Return the table in Markdown."""
    head = ["fault", *(f"`{server}`" for server in SERVERS), "left behind"]
    rows = [_row(name, [found[server].get(name) for server in SERVERS]) for name in FAULTS]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def _row(name: str, outcomes: list[Outcome | None]) -> list[str]:
    left = sum((outcome.left for outcome in outcomes if outcome), Counter[str]())
    kinds = ", ".join(f"{number} {kind}" for kind, number in left.items())
    return [name, *map(cell, outcomes), kinds or "nothing"]


def cell(outcome: Outcome | None) -> str:
    """Return what came of a fault in a few words."""
    if outcome is None:
        return ""
    hows = ", ".join(outcome.failed)
    failed = f"{outcome.failed.total()} of {outcome.calls}{f' ({hows})' if hows else ''}"
    seconds = "**never well**" if outcome.seconds == math.inf else f"{outcome.seconds:.1f} s"
    return " · ".join(filter(None, (outcome.guilty, failed, seconds)))
