"""The report: a table of medians, with ratios to this library within a round."""

import statistics
from collections.abc import Mapping, Sequence

from bench.queues.measures import REDELIVERY_S, Loss, Speed

#: To which ratios are, of times above 1 where the other one takes longer, of rates where it does more.
BASE = "this library, PostgreSQL"

_HEAD = (
    "| system | enqueue p50, ms | start of an idle worker p50, ms | end to end, jobs/s"
    " | runs again after SIGKILL, s | jobs not ended by then |"
)


def table(
    speeds: Mapping[str, Sequence[Speed]], losses: Mapping[str, Loss], versions: Mapping[str, str]
) -> str:
    """Return a Markdown table.

    Args:
        speeds: those of each round, by the system's name; each has as many as the others.
        losses: by the system's name.
        versions: likewise.
    """
    lines = [_HEAD, "| --- | --- | --- | --- | --- | --- |"]
    base = speeds.get(BASE)
    for name, rounds in speeds.items():
        title = f"{name} ({versions[name]})" if name in versions else name
        cells = [title, *(_figure(rounds, base, field, name) for field in ("enqueue", "start", "rate"))]
        lines.append(f"| {' | '.join([*cells, *_loss(losses.get(name))])} |")
    return "\n".join(lines)


def _figure(rounds: Sequence[Speed], base: Sequence[Speed] | None, field: str, name: str) -> str:
    values = [getattr(each, field) for each in rounds]
    median = statistics.median(values)
    shown = f"{median:,.0f}" if median >= 100 else f"{median:.1f}"
    if base is None or name == BASE:
        return shown
    ratio = statistics.median(value / getattr(one, field) for value, one in zip(values, base, strict=True))
    return f"{shown} ({ratio:.2f} x)"


def _loss(loss: Loss | None) -> tuple[str, str]:
    if loss is None:
        return "-", "-"
    again = f"not within {REDELIVERY_S:.0f}" if loss.again is None else f"{loss.again:.1f}"
    return again, f"{loss.lost} of {loss.of}"
