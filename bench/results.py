"""The measurements, and figures computed from them: medians over rounds, ratios within a round."""

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
    """One workload on one server in one round.

    `memory_bytes` is that of its `processes` after it, `processor_s` the time that these have had of
    processors in each second of it.
    """

    workload: str
    peer: str
    round: int
    rate: float
    latency_us: dict[str, float]
    errors: int
    cold_start_s: float
    memory_bytes: int = 0
    processes: int = 0
    processor_s: float = 0.0


@dataclass
class CaseResult:
    """All runs of one case, and the peers that are missing, with the reasons."""

    name: str
    title: str
    date: str
    machine: str
    rounds: int
    seconds: float
    versions: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)

    def of(self, peer: str, workload: str | None = None) -> list[Run]:
        """Return the runs of a peer, of one workload or of all."""
        return [run for run in self.runs if run.peer == peer and workload in (None, run.workload)]

    def workloads(self) -> list[str]:
        """Return the labels of the workloads, in order."""
        return list(dict.fromkeys(run.workload for run in self.runs))

    def peers(self) -> list[str]:
        """Return the peers with at least one run, in order."""
        return list(dict.fromkeys(run.peer for run in self.runs))


@dataclass(frozen=True)
class Spread:
    """A median, and the smallest and the greatest value."""

    median: float
    low: float
    high: float


def spread(values: Iterable[float]) -> Spread | None:
    """Return the spread of values, None if there are none."""
    known = list(values)
    return Spread(statistics.median(known), min(known), max(known)) if known else None


def rates(result: CaseResult, peer: str, workload: str) -> Spread | None:
    """Return the correct responses per second."""
    return spread(run.rate for run in result.of(peer, workload))


def latency_ms(result: CaseResult, peer: str, workload: str, percentile: str) -> Spread | None:
    """Return the latency at a percentile, in milliseconds."""
    return spread(run.latency_us[percentile] / 1000 for run in result.of(peer, workload))


def rate_of(run: Run) -> float:
    """Return the correct responses per second."""
    return run.rate


def work_of(run: Run) -> float:
    """Return the correct responses per second of processor time, of which other work takes none."""
    return run.rate / run.processor_s if run.processor_s else 0.0


def ratio(
    result: CaseResult,
    candidate: tuple[str, str],
    baseline: tuple[str, str],
    value: Callable[[Run], float] = rate_of,
) -> Spread | None:
    """Return a value of `candidate` (peer, workload) divided by that of `baseline`, round by round."""
    values = {run.round: value(run) for run in result.of(*baseline)}
    pairs = [(value(run), values[run.round]) for run in result.of(*candidate) if values.get(run.round)]
    return spread(top / bottom for top, bottom in pairs)


def median_delay_ms(
    result: CaseResult, candidate: tuple[str, str], baseline: tuple[str, str]
) -> Spread | None:
    """Return by how many ms the median of `candidate` (peer, workload) exceeds `baseline`, round by round."""
    medians = {run.round: run.latency_us["50"] for run in result.of(*baseline)}
    pairs = [
        (run.latency_us["50"], medians[run.round]) for run in result.of(*candidate) if run.round in medians
    ]
    return spread((top - bottom) / 1000 for top, bottom in pairs)


def per_start(result: CaseResult, peer: str, value: Callable[[Run], float]) -> Spread | None:
    """Return the spread of a value that is measured once per start, such as cold start or memory."""
    last = {run.round: run for run in result.of(peer)}
    return spread(value(run) for run in last.values())


def machine() -> str:
    """Return the machine in one line: processor, cores, memory, system."""
    model = _first_value("/proc/cpuinfo", "model name") or platform.processor() or platform.machine()
    memory_gib = int((_first_value("/proc/meminfo", "MemTotal") or "0").split()[0]) / 2**20
    cores = len(os.sched_getaffinity(0))
    return f"{model}, {cores} cores, {memory_gib:.0f} GiB, Linux {platform.release()}"


def today() -> str:
    """Return the date in UTC."""
    return datetime.now(timezone.utc).date().isoformat()


def load(path: Path) -> dict[str, CaseResult]:
    """Return the results of a file, an empty dict if there is no file."""
    if not path.is_file():
        return {}
    cases = json.loads(path.read_text())["cases"]
    return {name: _case(case) for name, case in cases.items()}


def _case(document: dict[str, Any]) -> CaseResult:
    return CaseResult(**{**document, "runs": [Run(**run) for run in document["runs"]]})


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


def _first_value(path: str, key: str) -> str:
    for line in Path(path).read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return ""
