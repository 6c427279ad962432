"""What the simulation tells: runs, their table in the guide, and its plots."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from itertools import product
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.scale.plots import Points, axis, line_chart
from bench.scale.service_times import ServiceTimes
from bench.scale.simulation import SCALERS, Outcome, Plan, simulate

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "beyond-one-machine.md"
PICTURES = GUIDE.parents[1] / "pictures"
BEGIN, END = "<!-- scale: begin -->", "<!-- scale: end -->"

#: The fleet of most runs: pods that the mean load needs, and the seconds of their cold start.
PODS, COLD_S = 20, 60.0
COLD_STARTS = (5.0, 15.0, 30.0, 60.0, 120.0)
SIZES = (1, 10, 100, 1000)

#: How the guide calls what decides.
NAMES = {
    "fixed": "none: pods for the peak",
    "cpu": "CPU",
    "concurrency": "concurrency",
    "waiting": "waiting calls alone",
    "gauges": "waiting and running calls",
}


class Figures(NamedTuple):
    """The medians of several runs that differ in their seed.

    Args:
        p50: seconds.
        p99: seconds.
        refused: share of all calls.
        cost: pod-hours for each hour that calls have run.
    """

    p50: float
    p99: float
    refused: float
    cost: float


def figures(outcomes: Sequence[Outcome]) -> Figures:
    """Return the medians of some runs."""

    def of(number: Callable[[Outcome], float]) -> float:
        return median(map(number, outcomes))

    return Figures(
        of(lambda one: one.p50),
        of(lambda one: one.p99),
        of(lambda one: one.refused / max(1, one.arrived)),
        of(lambda one: one.pod_hours / max(1e-9, one.work_hours)),
    )


def run(
    plans: Iterable[Plan], seeds: Sequence[int], times: ServiceTimes, pool: Executor
) -> dict[Plan, Figures]:
    """Return the figures of each plan, over runs with each seed."""
    listed = list(plans)
    seeded = [plan._replace(seed=seed) for plan in listed for seed in seeds]
    outcomes = list(pool.map(simulate, seeded, [times] * len(seeded)))
    return {
        plan: figures(outcomes[number * len(seeds) : (number + 1) * len(seeds)])
        for number, plan in enumerate(listed)
    }


def by_load() -> list[Plan]:
    """Return the plans of the first table."""
    loads, scalers = ("steady", "diurnal", "step", "bursts"), SCALERS
    return [Plan(load, scaler, PODS, COLD_S) for load, scaler in product(loads, scalers)]


def by_cold_start() -> list[Plan]:
    """Return the plans of the plots over cold starts."""
    scalers = [name for name in SCALERS if name != "fixed"]
    return [Plan("bursts", scaler, PODS, cold) for scaler, cold in product(scalers, COLD_STARTS)]


def by_size() -> list[Plan]:
    """Return the plans of the table over sizes of the fleet."""
    return [Plan("step", scaler, pods, COLD_S) for pods, scaler in product(SIZES, ("cpu", "gauges"))]


def load_table(found: Mapping[Plan, Figures]) -> str:
    """Return the table of loads and scalers, in Markdown."""
    head = "| load | pods follow | waited p50 | p99 | refused | pod-hours for an hour of work |"
    rows = [f"| {plan.load} | {NAMES[plan.scaler]} | {_cells(one)} |" for plan, one in found.items()]
    return "\n".join([head, "|---|---|---|---|---|---|", *rows])


def size_table(found: Mapping[Plan, Figures]) -> str:
    """Return the table of sizes, in Markdown."""
    head = "| pods | they follow | waited p50 | p99 | refused | pod-hours for an hour of work |"
    rows = [f"| {plan.pods:,} | {NAMES[plan.scaler]} | {_cells(one)} |" for plan, one in found.items()]
    return "\n".join([head, "|---|---|---|---|---|---|", *rows])


def _cells(one: Figures) -> str:
    return f"{one.p50:.2f} s | {one.p99:.2f} s | {one.refused:.2%} | {one.cost:.2f}"


def plots(found: Mapping[Plan, Figures], times: ServiceTimes) -> dict[str, str]:
    """Return the plots, by the names of their files."""
    p99, cost = _lines(found, lambda one: one.p99), _lines(found, lambda one: one.cost)
    refused = _lines(found, lambda one: one.refused * 100)
    cold = "seconds until a pod is ready"
    sizes = _sizes(times)
    return {
        "scale-wait.svg": line_chart(
            "Bursts: how long one call in a hundred waits", p99, axis(cold, p99, of=0), axis("s", p99, of=1)
        ),
        "scale-refused.svg": line_chart(
            "Bursts: calls that are refused", refused, axis(cold, refused, of=0), axis("%", refused, of=1)
        ),
        "scale-cost.svg": line_chart(
            "Bursts: pod-hours for an hour of work", cost, axis(cold, cost, of=0), axis("", cost, of=1)
        ),
        "scale-pods.svg": line_chart(
            f"A step in the load, pods ready after {COLD_S:g} s: ready pods",
            sizes,
            axis("minutes", sizes, of=0),
            axis("pods", sizes, of=1),
        ),
    }


def _lines(found: Mapping[Plan, Figures], number: Callable[[Figures], float]) -> dict[str, Points]:
    lines: dict[str, list[tuple[float, float]]] = {}
    for plan, one in found.items():
        lines.setdefault(_short(plan.scaler), []).append((plan.cold_start, number(one)))
    return {name: sorted(points) for name, points in lines.items()}


def _sizes(times: ServiceTimes) -> dict[str, Points]:
    lines: dict[str, Points] = {}
    for scaler in (name for name in SCALERS if name != "fixed"):
        sizes = simulate(Plan("step", scaler, PODS, COLD_S), times).sizes
        lines[_short(scaler)] = [(number * 5 / 60, float(size)) for number, size in enumerate(sizes)]
    return lines


def _short(scaler: str) -> str:
    return {"waiting": "waiting alone", "gauges": "waiting, running"}.get(scaler, NAMES[scaler])


def write(tables: Sequence[str], pictures: Mapping[str, str]) -> None:
    """Write the tables between the guide's two marks, and the plots beside the other pictures."""
    before, _, rest = GUIDE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    GUIDE.write_text(before + BEGIN + "\n" + "\n\n".join(tables) + "\n" + END + after)
    for name, text in pictures.items():
        (PICTURES / name).write_text(text)
