"""`python -m bench.worker_classes`: one validated JSON route under each of Gunicorn's worker classes.

Rounds are interleaved. Rates are relative to gthread's of the same round, also for each second of the
server's processor time, which matters on a busy machine; memory is that of all processes, per worker.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bench import results, rounds
from bench.cases import CASES, WORKERS, Case
from bench.peers import PEERS, Peer
from bench.results import CaseResult, Run, Spread

#: The class that others are compared with, and what Gunicorn calls each of them.
_BASELINE = "gthread"
WORKER_CLASSES = {
    "asgi": "asgi",
    _BASELINE: "gthread",
    "gevent": "gevent",
    "uvicorn": "uvicorn_worker.UvicornWorker",
}
CONNECTIONS = (1, 16, 256)


def peers() -> list[Peer]:
    """Return this library under each worker class."""
    [gevent] = [peer for peer in PEERS if peer.name == "ours-gevent"]
    return [
        replace(
            gevent,
            name=name,
            title=f"this library, Gunicorn {name}",
            command=tuple(worker_class if part == "gevent" else part for part in gevent.command),
        )
        for name, worker_class in WORKER_CLASSES.items()
    ]


def case() -> Case:
    """Return the case of 1 to 256 connections, with those of CONNECTIONS."""
    [sweep] = [case for case in CASES if case.name == "connections"]
    return replace(sweep, workloads=tuple(one for one in sweep.workloads if one.connections in CONNECTIONS))


def table(result: CaseResult) -> str:
    """Return the table in Markdown, a column for each class."""

    def row(title: str, figure: Callable[[str, str], str]) -> list[str]:
        cells = (" · ".join(figure(name, f"c{count}") for count in CONNECTIONS) for name in result.peers())
        return [title, *cells]

    def memory(name: str) -> str:
        return _figure(results.per_start(result, name, _worker_mib), 0)

    rows = [
        ["", *result.peers()],
        ["---"] * (1 + len(result.peers())),
        row("requests a second", lambda name, label: _figure(results.rates(result, name, label), 0)),
        row(
            f"relative to {_BASELINE}",
            lambda name, label: _figure(results.ratio(result, (name, label), (_BASELINE, label)), 2),
        ),
        row(
            "the same for a second of processor time",
            lambda name, label: _figure(
                results.ratio(result, (name, label), (_BASELINE, label), results.work_of), 2
            ),
        ),
        row(
            "the slowest of a hundred, ms",
            lambda name, label: _figure(results.latency_ms(result, name, label, "99"), 1),
        ),
        ["memory, MiB per worker", *map(memory, result.peers())],
        ["errors", *(str(sum(run.errors for run in result.of(name))) for name in result.peers())],
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _worker_mib(run: Run) -> float:
    return run.memory_bytes / 2**20 / WORKERS


def _figure(found: Spread | None, digits: int) -> str:
    return "-" if found is None else f"{found.median:.{digits}f}"


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.worker_classes", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds through all classes (5)")
    parser.add_argument("--seconds", type=int, default=3, help="of load per run (3)")
    options = parser.parse_args()
    pythons = dict.fromkeys(WORKER_CLASSES, Path(sys.executable))
    plan = rounds.Plan(options.rounds, options.seconds, warmup_seconds=1)
    print(table(rounds.run_case(case(), peers(), pythons, {}, plan)))


if __name__ == "__main__":
    main()
