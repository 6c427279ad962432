"""Samples of metrics → the counts from which the dashboard's page computes rates and percentiles.

Pure. Counts are those of the whole service and only grow, so that the difference of any two snapshots, from
whichever processes, is what happened in between.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TypedDict

from prometheus_client.samples import Sample

#: Sample's name → its samples.
Samples = Mapping[str, list[Sample]]


class HistogramCounts(TypedDict):
    """A histogram's sum, and its count of observations in each bucket; the last bucket has no upper bound."""

    sum: float
    counts: list[float]


class LabelledHistograms(TypedDict):
    """The counts of one histogram by one of its labels, and the upper bounds that they share."""

    bounds: list[float]
    of: dict[str, HistogramCounts]


def by_name(samples: Iterable[Sample]) -> Samples:
    """Return samples by their names."""
    found: dict[str, list[Sample]] = {}
    for sample in samples:
        found.setdefault(sample.name, []).append(sample)
    return found


def histograms(samples: Samples, name: str, label: str) -> LabelledHistograms:
    """Return a histogram's counts by one of its labels, added up over all other labels.

    Args:
        samples: of the service.
        name: the histogram's.
        label: by which they are grouped.
    """
    cumulative: dict[str, dict[float, float]] = {}
    for sample in samples.get(f"{name}_bucket", ()):
        steps = cumulative.setdefault(sample.labels[label], {})
        bound = float(sample.labels["le"])
        steps[bound] = steps.get(bound, 0.0) + sample.value
    sums = totals(samples, f"{name}_sum", label)
    bounds = sorted({bound for steps in cumulative.values() for bound in steps})
    return {
        "bounds": [bound for bound in bounds if math.isfinite(bound)],
        "of": {
            value: {
                "sum": sums.get(value, 0.0),
                "counts": _per_bucket([steps.get(bound, 0.0) for bound in bounds]),
            }
            for value, steps in cumulative.items()
        },
    }


def totals(samples: Samples, name: str, label: str) -> dict[str, float]:
    """Return the sums of a series by one of its labels."""
    found: dict[str, float] = {}
    for sample in samples.get(name, ()):
        value = sample.labels[label]
        found[value] = found.get(value, 0.0) + sample.value
    return found


def table(samples: Samples, name: str, label: str, inner: str) -> dict[str, dict[str, float]]:
    """Return the sums of a series by two of its labels, without what was never counted."""
    found: dict[str, dict[str, float]] = {}
    for sample in samples.get(name, ()):
        if not sample.value:
            continue
        row = found.setdefault(sample.labels[label], {})
        row[sample.labels[inner]] = row.get(sample.labels[inner], 0.0) + sample.value
    return found


def _per_bucket(cumulative: list[float]) -> list[float]:
    return [after - before for before, after in zip([0.0, *cumulative], cumulative, strict=False)]
