"""Markdown tables of the results."""

from pathlib import Path

from bench import goals, peers, results
from bench.cases import SWEEP
from bench.results import CaseResult, Spread

BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
OURS = [peer.name for peer in peers.PEERS if peer.ours]
NOTHING = "-"
TABLES_OF_THEIR_OWN = ("connections", "memory")


def write(path: Path, found: dict[str, CaseResult]) -> None:
    """Write the tables between the markers of a file, or at the end of a file without markers."""
    text = path.read_text() if path.is_file() else "# Benchmarks\n\n"
    before, begin, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    body = f"{before}{begin or BEGIN}\n\n{tables(found)}\n{END}{after or chr(10)}"
    path.write_text(body)


def tables(found: dict[str, CaseResult]) -> str:
    """Return everything: machine, goals, a table per case and workload, start and memory, versions."""
    parts = [_conditions(found), _goals(found)]
    parts += [_case(result) for name, result in found.items() if name not in TABLES_OF_THEIR_OWN]
    if "connections" in found:
        parts.append(_sweep(found["connections"]))
    if "memory" in found:
        parts.append(_memory(found["memory"]))
    if "validated" in found:
        parts.append(_starts(found["validated"]))
    parts.append(_versions(found))
    return "\n".join(part for part in parts if part)


def _conditions(found: dict[str, CaseResult]) -> str:
    cases: dict[str, list[str]] = {}
    for result in found.values():
        rounds = "1 round" if result.rounds == 1 else f"{result.rounds} rounds"
        conditions = f"{result.date}, {result.machine}; {rounds} of {result.seconds} s"
        cases.setdefault(conditions, []).append(result.name)
    return "\n".join([*(f"- {conditions}: {', '.join(names)}" for conditions, names in cases.items()), ""])


def _goals(found: dict[str, CaseResult]) -> str:
    rows = []
    for goal in goals.GOALS:
        measured = goals.reached(goal, found)
        verdict = NOTHING if measured is None else ("yes" if goal.is_reached(measured) else "**no**")
        rows.append([goal.case, goal.figure, goal.bound, _span(measured, 2), verdict])
    return _section("Goals", ["case", "figure", "goal", "measured", "reached"], rows)


def _case(result: CaseResult) -> str:
    sections = []
    for workload in result.workloads():
        title = result.title if len(result.workloads()) == 1 else f"{result.title}: {workload}"
        sections.append(_section(title, _head(), _rows(result, workload), _left_out(result)))
    return "\n".join(sections)


def _head() -> list[str]:
    return [
        "server",
        "req/s (min-max)",
        "p50 ms",
        "p99 ms",
        *(f"{_short(name)} is x" for name in OURS),
        "errors",
    ]


def _short(name: str) -> str:
    return name.removeprefix("ours-")


def _rows(result: CaseResult, workload: str) -> list[list[str]]:
    measured = {peer: results.rates(result, peer, workload) for peer in result.peers()}
    ranked = sorted((-rate.median, peer) for peer, rate in measured.items() if rate)
    rows = []
    for _, peer in ranked:
        factors = [results.ratio(result, (ours, workload), (peer, workload)) for ours in OURS]
        errors = sum(run.errors for run in result.of(peer, workload))
        rows.append(
            [
                f"**{peers.title(peer)}**" if peer in OURS else peers.title(peer),
                _span(measured[peer], 0),
                _median(results.latency_ms(result, peer, workload, "50")),
                _median(results.latency_ms(result, peer, workload, "99")),
                *(_median(factor) for factor in factors),
                f"**{errors}**" if errors else "0",
            ]
        )
    return rows


def _left_out(result: CaseResult) -> str:
    lines = [f"- {peers.title(peer)}: {reason}" for peer, reason in result.missing.items()]
    return "\n".join(["Left out:", "", *lines, ""]) if lines else ""


def _sweep(result: CaseResult) -> str:
    rows = []
    for peer in result.peers():
        rates = [results.rates(result, peer, f"c{count}") for count in SWEEP]
        rows.append([peers.title(peer), *(_span(rate, 0) for rate in rates)])
    head = ["req/s with connections:", *map(str, SWEEP)]
    flagged = [run for run in result.runs if run.errors]
    errors = [
        f"- {peers.title(run.peer)}, {run.workload}, round {run.round + 1}: {run.errors}" for run in flagged
    ]
    notes = "\n".join(["Runs with errors:", "", *errors, ""]) if errors else ""
    return _section(result.title, head, rows, notes + _left_out(result))


def _starts(result: CaseResult) -> str:
    rows = []
    for peer in result.peers():
        start = results.per_start(result, peer, lambda run: run.cold_start_s)
        memory = results.per_start(result, peer, lambda run: run.memory_bytes / 2**20)
        each = results.per_start(result, peer, lambda run: run.memory_bytes / 2**20 / 2)
        rows.append([peers.title(peer), _span(start, 2), _span(memory, 0), _span(each, 0)])
    head = ["server", "cold start to first response, s", "memory, all processes, MiB (PSS)"]
    return _section("Cold start and memory", [*head, "per worker, MiB"], rows)


def _memory(result: CaseResult) -> str:
    rows = []
    for peer in result.peers():
        memory = results.per_start(result, peer, lambda run: run.memory_bytes / goals.MEGABYTE)
        count = results.per_start(result, peer, lambda run: run.processes)
        rows.append([peers.title(peer), _span(memory, 0), _span(count, 0)])
    return _section(
        result.title, ["server", "memory, all processes, MB (PSS)", "processes"], rows, _left_out(result)
    )


def _versions(found: dict[str, CaseResult]) -> str:
    measured: dict[str, str] = {}
    for result in found.values():
        measured |= result.versions
    rows = [[peers.title(peer), version] for peer, version in measured.items()]
    return _section("Versions", ["server", "version"], rows)


def _section(title: str, head: list[str], rows: list[list[str]], note: str = "") -> str:
    lines = [f"### {title}", "", _line(head), _line(["---"] * len(head)), *map(_line, rows), ""]
    return "\n".join([*lines, note] if note else lines)


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _span(measured: Spread | None, digits: int) -> str:
    if measured is None:
        return NOTHING
    low, high = (f"{value:,.{digits}f}" for value in (measured.low, measured.high))
    return f"{measured.median:,.{digits}f} ({low}-{high})"


def _median(measured: Spread | None) -> str:
    return NOTHING if measured is None else f"{measured.median:,.2f}"
