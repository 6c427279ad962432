"""The soak as a program: `python -m tests.soak --seconds 300 asgi gevent`; all classes without names."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tests.soak.soaking import SERVERS, WARM_UP_SECONDS, soak

_SECONDS = 300.0


def main(words: Sequence[str]) -> int:
    """Soak services one after the other; the exit status is 1 where something was left behind."""
    parser = argparse.ArgumentParser(prog="tests.soak", description=__doc__)
    parser.add_argument("servers", nargs="*", metavar="server", help=f"of {', '.join(SERVERS)}; all without")
    parser.add_argument("--seconds", type=float, default=_SECONDS, help="at half load; %(default)s without")
    parser.add_argument("--warm-up", type=float, default=WARM_UP_SECONDS, help="seconds at full load before")
    options = parser.parse_args(words)
    if unknown := set(options.servers) - set(SERVERS):
        parser.error(f"no such server: {', '.join(sorted(unknown))}")
    faults = 0
    for server in options.servers or SERVERS:
        soaked = soak(server, warm_up=options.warm_up, seconds=options.seconds)
        faults += len(soaked.faults)
        sys.stdout.write(f"{server}, {soaked}\n\n")
        sys.stdout.flush()
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
