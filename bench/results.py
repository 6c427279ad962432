"""What was measured, and the numbers drawn from it: medians over rounds, ratios within a round."""

import json
import os
import platform
import statistics
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Run:
    """One shot at one server in one round; `memory_bytes` is what its `processes` hold after the load."""

    shot: str
    peer: str
    round: int
    rate: float
    latency_us: dict[str, float]
    errors: int
    cold_start_s: float
    memory_bytes: int = 0
    processes: int = 0


@dataclass
class CaseResult:
    """All runs of one case, and who could not take part and why."""

    name: str
    title: str
    date: str
    machine: str
    rounds: int
    seconds: float
    versions: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)

    def of(self, peer: str, shot: str | None = None) -> list[Run]:
        """The runs of a peer, of one shot or all."""
        return [run for run in self.runs if run.peer == peer and shot in (None, run.shot)]

    def shots(self) -> list[str]:
        """The names of the shots, in order."""
        return list(dict.fromkeys(run.shot for run in self.runs))

    def peers(self) -> list[str]:
        """Who has at least one run, in order."""
        return list(dict.fromkeys(run.peer for run in self.runs))


@dataclass(frozen=True)
class Spread:
    """A median with its smallest and greatest value."""

    median: float
    low: float
    high: float


def spread(values: Iterable[float]) -> Spread | None:
    """Return the spread of values, nothing if there are none."""
    known = list(values)
    return Spread(statistics.median(known), min(known), max(known)) if known else None


def rates(result: CaseResult, peer: str, shot: str) -> Spread | None:
    """Right answers per second."""
    return spread(run.rate for run in result.of(peer, shot))


def latency_ms(result: CaseResult, peer: str, shot: str, percentile: str) -> Spread | None:
    """Milliseconds at a percentile."""
    return spread(run.latency_us[percentile] / 1000 for run in result.of(peer, shot))


def ratio(result: CaseResult, above: tuple[str, str], below: tuple[str, str]) -> Spread | None:
    """How many times the rate of `below` (peer, shot) the rate of `above` is, taken round by round."""
    bottoms = {run.round: run.rate for run in result.of(*below)}
    pairs = [(run.rate, bottoms[run.round]) for run in result.of(*above) if bottoms.get(run.round)]
    return spread(top / bottom for top, bottom in pairs)


def median_delay_ms(result: CaseResult, above: tuple[str, str], below: tuple[str, str]) -> Spread | None:
    """By how many ms the median of `above` (peer, shot) exceeds that of `below`, taken round by round."""
    bottoms = {run.round: run.latency_us["50"] for run in result.of(*below)}
    pairs = [(run.latency_us["50"], bottoms[run.round]) for run in result.of(*above) if run.round in bottoms]
    return spread((top - bottom) / 1000 for top, bottom in pairs)


def per_start(result: CaseResult, peer: str, value: Callable[[Run], float]) -> Spread | None:
    """The spread of a value that a server has once per start, such as its cold start or memory."""
    last = {run.round: run for run in result.of(peer)}
    return spread(value(run) for run in last.values())


def machine() -> str:
    """The machine in one line: processor, cores, memory, system."""
    model = _first("/proc/cpuinfo", "model name") or platform.processor() or platform.machine()
    memory_gib = int((_first("/proc/meminfo", "MemTotal") or "0").split()[0]) / 2**20
    cores = len(os.sched_getaffinity(0))
    return f"{model}, {cores} cores, {memory_gib:.0f} GiB, Linux {platform.release()}"


def today() -> str:
    """The date in UTC."""
    return datetime.now(timezone.utc).date().isoformat()


def load(path: Path) -> dict[str, CaseResult]:
    """Return the results of a file, none if there is no file."""
    if not path.is_file():
        return {}
    cases = json.loads(path.read_text())["cases"]
    return {name: _case(case) for name, case in cases.items()}


def _case(written: dict[str, Any]) -> CaseResult:
    return CaseResult(**{**written, "runs": [Run(**run) for run in written["runs"]]})


def save(path: Path, results: dict[str, CaseResult]) -> None:
    """Write results as JSON."""
    document = {"cases": {name: asdict(result) for name, result in results.items()}}
    path.write_text(json.dumps(_rounded(document), indent=1) + "\n")


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list) else value


def _first(path: str, key: str) -> str:
    for line in Path(path).read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return ""
