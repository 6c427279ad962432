"""`python -m bench.scale`: simulate, print the tables, and write them and the plots into the guide.

It takes two minutes or three on two cores; `--quick` takes seconds, and writes nothing.
"""

import argparse
import time
from concurrent.futures import ProcessPoolExecutor

from bench.scale import report
from bench.scale.service_times import load

SEEDS, QUICK_SEEDS = (1, 2, 3, 4, 5), (1,)
PROCESSES = 2


def main(arguments: list[str] | None = None) -> None:
    """Simulate all plans."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="one seed, 100 pods at most, prints, writes nothing"
    )
    options = parser.parse_args(arguments)
    times, began = load(), time.monotonic()
    seeds = QUICK_SEEDS if options.quick else SEEDS
    most = 100 if options.quick else max(report.SIZES)
    with ProcessPoolExecutor(PROCESSES) as pool:
        loads = report.run(report.by_load(), seeds, times, pool)
        cold_starts = report.run(report.by_cold_start(), seeds, times, pool)
        fleets = [plan for plan in report.by_size() if plan.pods <= most]
        sizes = report.run(fleets, QUICK_SEEDS, times, pool)
    tables = [report.load_table(loads), report.size_table(sizes)]
    print("\n\n".join(tables))
    if not options.quick:
        report.write(tables, report.plots(cold_starts, times))
    print(f"\n{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
