"""`python -m bench`: measure every case with every peer, and write the tables, plots and numbers."""

import argparse
from collections.abc import Iterable
from pathlib import Path

from bench import environments, load, plots, report, results, rounds
from bench.cases import CASES, Case
from bench.peers import PEERS, Peer

HERE = Path(__file__).parent
OUTPUT_HELP = "folder of README.md, results.json, plots/; not for quick runs and chosen peers by default"
QUICK = rounds.Plan(rounds=2, seconds=2, warmup_seconds=1)


def names(named: Iterable[Case | Peer]) -> list[str]:
    """Return the values that an option accepts."""
    return [item.name for item in named]


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds through all peers (5)")
    parser.add_argument("--seconds", type=int, default=5, help="of load per run (5)")
    parser.add_argument("--case", action="append", choices=names(CASES), help="repeatable; all")
    parser.add_argument("--peer", action="append", choices=names(PEERS), help="repeatable; all")
    parser.add_argument("--quick", action="store_true", help="2 rounds of 2 seconds, as a check")
    parser.add_argument("--envs", type=Path, default=environments.DEFAULT_FOLDER, help="of the environments")
    parser.add_argument("--output", type=Path, help=OUTPUT_HELP)
    return parser.parse_args(arguments)


def main() -> None:
    """Run the selected cases and peers."""
    options = parse()
    try:
        load.find_wrk()
    except environments.Unavailable as error:
        raise SystemExit(str(error)) from None
    peers = [peer for peer in PEERS if options.peer is None or peer.name in options.peer]
    plan = QUICK if options.quick else rounds.Plan(options.rounds, options.seconds, warmup_seconds=1)
    pythons, missing = rounds.prepare(peers, options.envs.resolve())
    output = options.output or (None if options.quick or options.peer else HERE)
    found = results.load(output / "results.json") if output else {}
    for case in CASES:
        if options.case is None or case.name in options.case:
            print(f"{case.name}: {case.title}", flush=True)
            found[case.name] = rounds.run_case(case, peers, pythons, missing, plan)
            _write(found, output)
    print(report.tables(found))


def _write(found: dict[str, results.CaseResult], output: Path | None) -> None:
    """Write after each case, so that an interrupted run keeps its results."""
    if output is None:
        return
    output.mkdir(parents=True, exist_ok=True)
    ordered = {case.name: found[case.name] for case in CASES if case.name in found}
    results.save(output / "results.json", ordered)
    report.write(output / "README.md", ordered)
    plots.write(output / "plots", ordered)


if __name__ == "__main__":
    main()
