"""SVG charts of throughput, latency and memory, without any plotting library, with a dark mode."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10
from pathlib import Path

from bench import peers, results
from bench.results import CaseResult, Spread

OURS = {peer.name for peer in peers.PEERS if peer.ours}
WIDTH, LABELS, VALUES, MARGIN, ROW, TOP = 820, 215, 130, 24, 24, 46  # pixels
FINEST_MS = 0.01
NOT_OF_THROUGHPUT = ("overhead", "memory")
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #1f2328 } .title { font-size: 15px; font-weight: 600 }
  .small { font-size: 11px; fill: #59636e } .end { text-anchor: end } .mid { text-anchor: middle }
  .ours { fill: #0969da } .peer { fill: #8c959f } .whisker { stroke: #1f2328 } .grid { stroke: #d1d9e0 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .small { fill: #9198a1 } .ours { fill: #58a6ff } .peer { fill: #6e7681 }
    .whisker { stroke: #e6edf3 } .grid { stroke: #3d444d }
  }
"""


@dataclass(frozen=True)
class Bar:
    """One row of a bar chart."""

    peer: str
    value: Spread


def write(folder: Path, found: dict[str, CaseResult]) -> None:
    """Write one chart of throughput per workload, and those of latency, memory and cold start."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, result in found.items():
        if name in NOT_OF_THROUGHPUT:
            continue
        for workload in result.workloads():
            suffix = f"-{workload}" if len(result.workloads()) > 1 else ""
            bars = _bars(result, {peer: results.rates(result, peer, workload) for peer in result.peers()})
            title = f"{result.title}{': ' + workload if suffix else ''} (requests/s, more is better)"
            (folder / f"throughput-{name}{suffix}.svg").write_text(bar_chart(title, bars))
    if "validated" in found:
        _write_of_validated(folder, found["validated"])


def _write_of_validated(folder: Path, result: CaseResult) -> None:
    memory = {
        peer: results.per_start(result, peer, lambda run: run.memory_bytes / 2**20) for peer in result.peers()
    }
    start = {peer: results.per_start(result, peer, lambda run: run.cold_start_s) for peer in result.peers()}
    memory_title = "Memory of all processes, 2 workers (MiB, less is better)"
    start_title = "Cold start to the first response (s, less is better)"
    latency_title = "Validated JSON, 16 connections: latency p1 to p99.9 (ms, less is better)"
    (folder / "memory.svg").write_text(bar_chart(memory_title, _bars(result, memory, rising=True)))
    (folder / "cold-start.svg").write_text(bar_chart(start_title, _bars(result, start, rising=True)))
    (folder / "latency.svg").write_text(latency_chart(latency_title, result, "c16"))


def _bars(result: CaseResult, values: dict[str, Spread | None], rising: bool = False) -> list[Bar]:
    known = [Bar(peer, value) for peer in result.peers() if (value := values[peer])]
    return sorted(known, key=lambda bar: bar.value.median, reverse=not rising)


def bar_chart(title: str, bars: Sequence[Bar]) -> str:
    """Return horizontal bars of medians with whiskers from the smallest to the greatest value."""
    plot_width = WIDTH - LABELS - VALUES
    scale = plot_width / max((bar.value.high for bar in bars), default=1)
    parts = []
    for index, bar in enumerate(bars):
        y = TOP + index * ROW
        kind = "ours" if bar.peer in OURS else "peer"
        low, median, high = (
            LABELS + value * scale for value in (bar.value.low, bar.value.median, bar.value.high)
        )
        width = max(median - LABELS, 1)
        middle = y + ROW / 2 - 3
        parts += [
            f'<text class="end" x="{LABELS - 8}" y="{y + 13}">{escape(peers.title(bar.peer))}</text>',
            f'<rect class="{kind}" x="{LABELS}" y="{y}" width="{width:.1f}" height="{ROW - 6}" rx="2"/>',
            f'<line class="whisker" x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}"/>',
            f'<text class="small" x="{high + 6:.1f}" y="{y + 13}">{_number(bar.value.median)}</text>',
        ]
    return _document(title, TOP + len(bars) * ROW + 10, parts)


def latency_chart(title: str, result: CaseResult, workload: str) -> str:
    """Return a row per peer, logarithmic: p1 to p99.9 is a line, p25 to p75 a box, p50 and p99 are ticks."""
    rows = {peer: _latencies(result, peer, workload) for peer in result.peers() if result.of(peer, workload)}
    if not rows:
        return _document(title, TOP, [])
    ranked = sorted(rows, key=lambda peer: rows[peer]["50"])
    lowest = 10 ** floor(log10(min(row["1"] for row in rows.values())))
    decades = ceil(log10(max(row["99.9"] for row in rows.values()) / lowest))
    plot_width = WIDTH - LABELS - MARGIN

    def x_of(millis: float) -> float:
        return LABELS + plot_width * log10(millis / lowest) / decades

    height = len(ranked) * ROW
    parts = _decades([lowest * 10.0**power for power in range(decades + 1)], height, x_of)
    for index, peer in enumerate(ranked):
        parts += _distribution(
            peer, {name: x_of(value) for name, value in rows[peer].items()}, TOP + index * ROW
        )
    return _document(title, TOP + height + 34, parts)


def _latencies(result: CaseResult, peer: str, workload: str) -> dict[str, float]:
    spreads = {
        name: results.latency_ms(result, peer, workload, name)
        for name in result.of(peer, workload)[0].latency_us
    }
    return {name: max(value.median, FINEST_MS) for name, value in spreads.items() if value}


def _decades(millis: list[float], height: int, x_of: Callable[[float], float]) -> list[str]:
    parts = []
    for value in millis:
        x = x_of(value)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{TOP + height}"/>')
        parts.append(f'<text class="small mid" x="{x:.1f}" y="{TOP + height + 18}">{value:g}</text>')
    return parts


def _distribution(peer: str, at: dict[str, float], y: int) -> list[str]:
    kind = "ours" if peer in OURS else "peer"
    middle = y + (ROW - 6) / 2
    left, width = at["25"], max(at["75"] - at["25"], 2)
    ticks = (
        f'<line class="whisker" x1="{at[name]:.1f}" x2="{at[name]:.1f}" y1="{y}" y2="{y + ROW - 6}"/>'
        for name in ("50", "99")
    )
    return [
        f'<text class="end" x="{LABELS - 8}" y="{y + 13}">{escape(peers.title(peer))}</text>',
        f'<rect class="{kind}" x="{left:.1f}" y="{y + 2}" width="{width:.1f}" height="{ROW - 10}" rx="2"/>',
        f'<line class="whisker" x1="{at["1"]:.1f}" x2="{at["99.9"]:.1f}" y1="{middle}" y2="{middle}"/>',
        *ticks,
    ]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def _document(title: str, height: float, parts: Sequence[str]) -> str:
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n"
        f'<text class="title" x="8" y="22">{escape(title)}</text>\n{body}\n</svg>\n'
    )
