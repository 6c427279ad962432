"""The performance goals of the library, each computed from runs of the same round."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from bench import results
from bench.cases import COMPOSING, MODEL_BYTES, OURS
from bench.peers import title
from bench.results import CaseResult, Run, Spread

MEGABYTE = 1_000_000

Side = tuple[str, str]  # peer, workload


class Goal(Protocol):
    """A figure of `case`, and the bound that it should keep."""

    @property
    def case(self) -> str: ...

    @property
    def figure(self) -> str:
        """What is measured."""

    @property
    def bound(self) -> str:
        """The bound, in words."""

    def measured(self, result: CaseResult) -> Spread | None:
        """Return the figure, None if a side of it is missing."""

    def is_reached(self, measured: Spread) -> bool:
        """Return whether the median keeps the bound."""


@dataclass(frozen=True)
class Ratio:
    """The rate of `candidate` is at least `at_least` times that of `baseline`."""

    case: str
    candidate: Side
    baseline: Side
    at_least: float

    @property
    def figure(self) -> str:
        return f"rate of {_named(self.candidate)} / {_named(self.baseline)}"

    @property
    def bound(self) -> str:
        return f"at least {self.at_least:g}"

    def measured(self, result: CaseResult) -> Spread | None:
        return results.ratio(result, self.candidate, self.baseline)

    def is_reached(self, measured: Spread) -> bool:
        return measured.median >= self.at_least


@dataclass(frozen=True)
class Delay:
    """The median latency of `candidate` is at most `at_most_ms` above that of `baseline`."""

    case: str
    candidate: Side
    baseline: Side
    at_most_ms: float

    @property
    def figure(self) -> str:
        return f"median of {_named(self.candidate)} - {_named(self.baseline)}, ms"

    @property
    def bound(self) -> str:
        return f"at most {self.at_most_ms:g}"

    def measured(self, result: CaseResult) -> Spread | None:
        return results.median_delay_ms(result, self.candidate, self.baseline)

    def is_reached(self, measured: Spread) -> bool:
        return measured.median <= self.at_most_ms


@dataclass(frozen=True)
class Footprint:
    """The memory of all processes of a server, less the model, is at most `at_most_mb` for each of them."""

    case: str
    peer: str
    model_bytes: int
    at_most_mb: float

    @property
    def figure(self) -> str:
        return f"memory of {title(self.peer)} beyond the model, MB per process"

    @property
    def bound(self) -> str:
        return f"at most {self.at_most_mb:g}"

    def measured(self, result: CaseResult) -> Spread | None:
        return results.per_start(result, self.peer, self._beyond_model)

    def is_reached(self, measured: Spread) -> bool:
        return measured.median <= self.at_most_mb

    def _beyond_model(self, run: Run) -> float:
        return (run.memory_bytes - self.model_bytes) / MEGABYTE / run.processes


def _named(side: Side) -> str:
    """The peer's title, with the workload where its label says more than a number of connections."""
    peer, workload = side
    return title(peer) if re.fullmatch(r"c\d+", workload) else f"{title(peer)} ({workload})"


def _validated(ours: str, other: str, at_least: float) -> Goal:
    return Ratio("validated", (ours, "c16"), (other, "c16"), at_least)


def _batched(ours: str, other: str, at_least: float) -> Goal:
    return Ratio("batched", (ours, "c64"), (other, "c64"), at_least)


def _of_runners() -> Iterable[Goal]:
    yield _batched("ours-gevent", "litserve", 2.5)
    for ours in ("ours-asgi", "ours-granian-wsgi", "ours-granian-asgi"):
        yield _batched(ours, "mosec", 1.0)
    for ours in OURS:
        yield Ratio("digits", (ours, "c192"), ("offline", "c192"), 0.9)
    for ours in OURS:
        for other in COMPOSING:
            yield Ratio("composed", (ours, "c16"), (other, "c16"), 3.0)
    for ours in OURS:
        for workload in ("hosted", "hosted-batched"):
            yield Delay("overhead", (ours, workload), (ours, "inline"), 1.0)
    yield Footprint("memory", "ours-gevent", MODEL_BYTES, 60)


GOALS: tuple[Goal, ...] = (
    _validated("ours-gevent", "version2", 3.0),
    _validated("ours-gevent", "fastapi-def", 1.6),
    _validated("ours-gevent", "litserve", 4.5),
    _validated("ours-gevent", "apipod", 5.0),
    _validated("ours-gevent", "bentoml-def", 15.0),
    _validated("ours-gevent", "fastapi-async", 0.9),
    _validated("ours-asgi", "fastapi-async", 2.5),
    _validated("ours-asgi", "mosec", 2.5),
    _validated("ours-granian-wsgi", "fastapi-async", 2.5),
    _validated("ours-granian-wsgi", "mosec", 2.5),
    Ratio("cached", ("ours-gevent", "cached"), ("ours-gevent", "echo"), 0.85),
    Ratio("cached", ("ours-asgi", "cached"), ("ours-asgi", "echo"), 0.85),
    Ratio("floats", ("ours-gevent", "json"), ("litserve", "json"), 3.0),
    Ratio("floats", ("ours-gevent", "json"), ("bentoml-def", "json"), 3.0),
    Ratio("floats", ("ours-gevent", "binary"), ("litserve", "json"), 10.0),
    Ratio("floats", ("ours-gevent", "binary"), ("bentoml-def", "json"), 10.0),
    *_of_runners(),
)


def reached(goal: Goal, found: dict[str, CaseResult]) -> Spread | None:
    """Return the measured figure of a goal, None if a side of it is missing."""
    return goal.measured(found[goal.case]) if goal.case in found else None
