"""The schedule: round by round through all peers of a case (ABAB…), with a fresh server each time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench import environments, load, loops
from bench.cases import Case, Workload
from bench.environments import Unavailable
from bench.peers import Peer
from bench.results import CaseResult, Run, machine, today
from bench.servers import Server, serving


@dataclass(frozen=True)
class Plan:
    """The number of rounds, and the times of each run in seconds."""

    rounds: int
    seconds: float
    warmup_seconds: float


def prepare(peers: Sequence[Peer], folder: Path) -> tuple[dict[str, Path], dict[str, str]]:
    """Return each peer's Python, and the reasons why others have none."""
    pythons, missing = {}, {}
    for peer in peers:
        try:
            pythons[peer.name] = environments.prepare(peer, folder)
        except Unavailable as error:
            missing[peer.name] = str(error)
            print(f"{peer.name}: {error}", flush=True)
    return pythons, missing


def run_case(
    case: Case, peers: Sequence[Peer], pythons: dict[str, Path], missing: dict[str, str], plan: Plan
) -> CaseResult:
    """Measure one case; a peer that fails is left out of the rounds that follow, and the result says why."""
    peers = [peer for peer in peers if peer.measures(case)]
    result = CaseResult(case.name, case.title, today(), machine(), plan.rounds, plan.seconds)
    result.missing = {peer.name: missing[peer.name] for peer in peers if peer.name in missing}
    result.versions = _versions(peers, pythons)
    for number in range(plan.rounds):
        for peer in peers:
            if peer.name in result.missing:
                continue
            if case.workloads[0].path in peer.unsupported:
                result.missing[peer.name] = peer.unsupported[case.workloads[0].path]
                continue
            try:
                measure = _one_start if peer.is_server else _one_loop
                runs = measure(case, peer, pythons[peer.name], plan, number)
            except Unavailable as error:
                result.missing[peer.name] = str(error)
                print(f"  {case.name} {peer.name}: {error}", flush=True)
                continue
            result.runs += runs
            _print_runs(case, runs)
    return result


def _one_start(case: Case, peer: Peer, python: Path, plan: Plan, number: int) -> list[Run]:
    runs = []
    with serving(peer, python, case) as server:
        for workload in (
            peer.adapt(workload) for workload in case.workloads if workload.path not in peer.unsupported
        ):
            server.check(workload)
            runs.append(_one_run(workload, peer, server, plan, number))
        memory, processes = server.memory()
    return [replace(run, memory_bytes=memory, processes=processes) for run in runs]


def _one_loop(case: Case, peer: Peer, python: Path, plan: Plan, number: int) -> list[Run]:
    measured = loops.run(peer, python, case, plan.seconds)
    return [
        Run(
            case.workloads[0].label,
            peer.name,
            number,
            measured.rate,
            measured.latency_us,
            measured.errors,
            0.0,
        )
    ]


def _one_run(workload: Workload, peer: Peer, server: Server, plan: Plan, number: int) -> Run:
    load.run_wrk(workload, server.port, plan.warmup_seconds)
    before = server.processor_seconds()
    seconds = max(plan.seconds, workload.least_seconds)
    measured = load.run_wrk(workload, server.port, seconds)
    return Run(
        workload.label,
        peer.name,
        number,
        measured.rate,
        measured.latency_us,
        measured.errors,
        server.cold_start_s,
        processor_s=(server.processor_seconds() - before) / seconds,
    )


#: Gunicorn uses it where it is installed.
_PARSER = "gunicorn_h1c"


def _versions(peers: Sequence[Peer], pythons: dict[str, Path]) -> dict[str, str]:
    found = {}
    for peer in peers:
        if peer.name in pythons:
            installed = environments.versions(pythons[peer.name])
            parser = (
                f", gunicorn_h1c {installed[_PARSER]}"
                if _PARSER in installed and "gunicorn" in peer.command
                else ""
            )
            found[peer.name] = (
                f"{installed.get(peer.distribution, 'checkout')} (Python {installed['python']}{parser})"
            )
    return found


def _print_runs(case: Case, runs: list[Run]) -> None:
    for run in runs:
        flag = f"  {run.errors} ERRORS" if run.errors else ""
        millis = run.latency_us["50"] / 1000, run.latency_us["99"] / 1000
        print(
            f"  {case.name:12} {run.workload:14} round {run.round + 1}  {run.peer:18} {run.rate:9.1f}/s"
            f"  p50 {millis[0]:7.2f} ms  p99 {millis[1]:7.2f} ms  start {run.cold_start_s:5.2f} s"
            f"  {run.memory_bytes / 2**20:6.0f} MiB{flag}",
            flush=True,
        )
