"""Every fault under every server: `python -m tests.faults` writes the table of the guide.

With a choice of either, it prints what comes of them and writes nothing. The exit status is 1 where a fault
costs more than is promised.
"""

from __future__ import annotations

import argparse
import datetime
import sys
from collections.abc import Sequence

from bench.results import machine
from tests.faults import table
from tests.faults.faults import FAULTS
from tests.faults.measuring import Outcome, breaches, outcomes
from tests.faults.targets import SERVERS

#: Seconds that a busy machine gets on top of what is promised.
_MARGIN = 3.0


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(words: Sequence[str] | None = None) -> int:
    options = _read(words)
    servers, names = options.server or SERVERS, options.fault or FAULTS
    found: dict[str, dict[str, Outcome | None]] = {}
    worse = 0
    for server in servers:
        found[server] = {}
        for fault, outcome in outcomes(server, [FAULTS[name] for name in names]):
            found[server][fault.name] = outcome
            broken = breaches(server, outcome, fault, _MARGIN) if outcome else []
            worse += len(broken)
            say(f"{server:8} {fault.name:45} {_told(outcome)} {'; '.join(broken)}".rstrip())
    if not (options.server or options.fault):
        table.write(found, f"Measured on {datetime.date.today()}: {machine()}.")
    return 1 if worse else 0


def _told(outcome: Outcome | None) -> str:
    return "can't be had on this machine" if outcome is None else table.cell(outcome)


def _read(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--server", action="append", choices=SERVERS, help="repeatable; all")
    parser.add_argument("--fault", action="append", choices=list(FAULTS), help="repeatable; all")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
