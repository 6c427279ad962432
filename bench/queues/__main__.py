"""`python -m bench.queues`: durable jobs of this library, Celery, dramatiq and procrastinate, side by side.

It starts PostgreSQL, Redis and RabbitMQ itself (Debian's packages), and prints a Markdown table. Rounds
follow each other, each with all systems; at the end of the first one each one's workers are killed. None
begins that would end later than nine minutes after the first, if it took as long as those before.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from bench.environments import DEFAULT_FOLDER, prepare, versions
from bench.queues import measures, report, servers
from bench.queues.running import running
from bench.queues.systems import SYSTEMS, System

#: Seconds that all rounds may take.
LONGEST_S = 540.0


def main() -> None:
    """Measure everything, and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--system", action="append", help="a part of the names of those to measure")
    parser.add_argument("--envs", type=Path, default=DEFAULT_FOLDER, help="folder of the environments")
    options = parser.parse_args()
    systems = [each for each in SYSTEMS if not options.system or any(s in each.name for s in options.system)]
    installed = {each.name: versions(prepare(each.peer, options.envs)) for each in systems}
    speeds: dict[str, list[measures.Speed]] = {each.name: [] for each in systems}
    losses: dict[str, measures.Loss] = {}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started ends, too
    with ExitStack() as stack:
        urls = _start_servers(stack, systems)
        begin = time.monotonic()
        for number in range(1, options.rounds + 1):
            if (time.monotonic() - begin) * number > LONGEST_S * max(1, number - 1):
                break
            for system in systems:
                found = {name: urls[name]() for name in system.needs}
                with running(system, options.envs, found) as at_work:
                    speeds[system.name].append(measures.speed(at_work))
                    if number == 1:
                        losses[system.name] = measures.loss(at_work)
                load = os.getloadavg()[0]
                print(number, system.name, speeds[system.name][-1], f"load {load:.1f}", file=sys.stderr)
    shown = {each.name: installed[each.name].get(each.peer.distribution, "") for each in systems}
    print(report.table(speeds, losses, {name: version for name, version in shown.items() if version}))


def _start_servers(stack: ExitStack, systems: list[System]) -> dict[str, Callable[[], str]]:
    """Start what the systems need, and return what gives a URL for the next run of one."""
    needed = {name for system in systems for name in system.needs}
    urls: dict[str, Callable[[], str]] = {}
    if "postgres" in needed:
        urls["postgres"] = stack.enter_context(servers.postgres())
    for name, start in (("redis", servers.redis), ("rabbitmq", servers.rabbitmq)):
        if name in needed:
            url = stack.enter_context(start())
            urls[name] = lambda url=url: url  # type: ignore[misc]
    return urls


if __name__ == "__main__":
    main()
