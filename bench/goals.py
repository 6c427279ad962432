"""The figures that the library promises, each a ratio of rates within the same round."""

from dataclasses import dataclass

from bench.results import CaseResult, Spread, ratio


@dataclass(frozen=True)
class Goal:
    """In `case`, the rate of `above` is at least `at_least` times that of `below`; both are (peer, shot)."""

    case: str
    above: tuple[str, str]
    below: tuple[str, str]
    at_least: float


def _validated(ours: str, other: str, at_least: float) -> Goal:
    return Goal("validated", (ours, "c16"), (other, "c16"), at_least)


GOALS = (
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
    Goal("cached", ("ours-gevent", "cached"), ("ours-gevent", "echo"), 0.85),
    Goal("cached", ("ours-asgi", "cached"), ("ours-asgi", "echo"), 0.85),
    Goal("floats", ("ours-gevent", "json"), ("litserve", "json"), 3.0),
    Goal("floats", ("ours-gevent", "json"), ("bentoml-def", "json"), 3.0),
    Goal("floats", ("ours-gevent", "binary"), ("litserve", "json"), 10.0),
    Goal("floats", ("ours-gevent", "binary"), ("bentoml-def", "json"), 10.0),
)


def reached(goal: Goal, results: dict[str, CaseResult]) -> Spread | None:
    """Return the measured ratio, nothing if a side of it is missing."""
    return ratio(results[goal.case], goal.above, goal.below) if goal.case in results else None
