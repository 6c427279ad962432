"""Line charts as SVG, with a dark mode, in the style of the other charts of `bench`."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from math import ceil, floor, log10
from typing import NamedTuple

from bench.plots import WIDTH

Points = Sequence[tuple[float, float]]

HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 320, 64, 130, 46, 44  # pixels

#: Space between two labels of lines, in pixels.
LABEL = 15

#: Colours of lines, of which each can be told from the others by people who see few colours (Okabe and Ito).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#999999")
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #1f2328 } .title { font-size: 15px; font-weight: 600 }
  .small { font-size: 11px; fill: #59636e } .end { text-anchor: end } .mid { text-anchor: middle }
  .grid { stroke: #d1d9e0 } .line { fill: none; stroke-width: 2 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .small { fill: #9198a1 } .grid { stroke: #3d444d }
  }
"""


class Axis(NamedTuple):
    """One axis.

    Args:
        title: what it shows, with the unit.
        low: its least value.
        high: its greatest.
        is_log: whether equal distances are equal ratios.
    """

    title: str
    low: float
    high: float
    is_log: bool = False

    def share(self, value: float) -> float:
        """Return where a value lies, from 0 to 1."""
        if self.is_log:
            value, low, high = log10(max(value, self.low)), log10(self.low), log10(self.high)
        else:
            low, high = self.low, self.high
        return (value - low) / (high - low)

    def ticks(self) -> list[float]:
        """Return the values that are named: powers of ten, or four to eight round ones."""
        if self.is_log:
            return [10.0**power for power in range(round(log10(self.low)), round(log10(self.high)) + 1)]
        step = 10 ** floor(log10(self.high - self.low))
        while (self.high - self.low) / step < 4:
            step /= 2
        return [self.low + number * step for number in range(int((self.high - self.low) / step + 1e-9) + 1)]


def axis(
    title: str, lines: Mapping[str, Points], *, of: int, is_log: bool = False, least: float = 0.1
) -> Axis:
    """Return the axis that holds all points.

    Args:
        title: what it shows.
        lines: the points.
        of: 0 for the horizontal axis, 1 for the vertical one.
        is_log: whether it is logarithmic.
        least: of a logarithmic axis.
    """
    high = max(point[of] for points in lines.values() for point in points)
    if is_log:
        low = min(max(least, point[of]) for points in lines.values() for point in points)
        return Axis(title, 10.0 ** floor(log10(low)), 10.0 ** ceil(log10(max(high, low * 1.01))), is_log=True)
    return Axis(title, 0.0, high * (1.05 if of else 1.0) or 1.0)


def line_chart(title: str, lines: Mapping[str, Points], across: Axis, up: Axis) -> str:
    """Return a chart of lines, each with its name at its right end."""

    def x_of(value: float) -> float:
        return LEFT + across.share(value) * (WIDTH - LEFT - RIGHT)

    def y_of(value: float) -> float:
        return HEIGHT - BOTTOM - up.share(value) * (HEIGHT - TOP - BOTTOM)

    parts = [*_grid(across, up, x_of, y_of)]
    ends = _apart({name: y_of(points[-1][1]) for name, points in lines.items()})
    for (name, points), colour in zip(lines.items(), COLOURS, strict=False):
        path = " ".join(f"{x_of(x):.1f},{y_of(y):.1f}" for x, y in points)
        parts.append(f'<polyline class="line" stroke="{colour}" points="{path}"/>')
        place = f'x="{WIDTH - RIGHT + 8}" y="{ends[name] + 4:.1f}"'
        parts.append(f'<text {place} style="fill: {colour}">{escape(name)}</text>')
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n"
        f'<text class="title" x="8" y="22">{escape(title)}</text>\n{body}\n</svg>\n'
    )


def _grid(
    across: Axis, up: Axis, x_of: Callable[[float], float], y_of: Callable[[float], float]
) -> list[str]:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = [f'<text class="small" x="8" y="{TOP - 8}">{escape(up.title)}</text>']
    parts.append(
        f'<text class="small mid" x="{(LEFT + right) / 2}" y="{HEIGHT - 8}">{escape(across.title)}</text>'
    )
    for value in up.ticks():
        y = y_of(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="small end" x="{LEFT - 6}" y="{y + 4:.1f}">{value:g}</text>')
    for value in across.ticks():
        x = x_of(value)
        parts.append(f'<text class="small mid" x="{x:.1f}" y="{bottom + 16}">{value:g}</text>')
    return parts


def _apart(places: Mapping[str, float]) -> dict[str, float]:
    """Return heights of labels that lie on no other one, in the order of what they name."""
    found: dict[str, float] = {}
    last = float(TOP)
    for name, place in sorted(places.items(), key=lambda item: item[1]):
        found[name] = last = max(place, last + LABEL if found else place)
    return found
