"""The fuzz run as a program, for as long as one likes: `python -m tests.fuzz --seconds 600 --seed 7`.

`requests`, which is meant where nothing is named, sends mutated requests to services within this process;
`servers` sends them as raw bytes to real servers; `schemas` compares the compiled schemas with protobuf's own
parser. A finding names its number: `--seed 7 --number 1234` repeats it alone.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import time
from collections.abc import Callable, Sequence

from tests.fuzz.campaign import Campaign, numbers
from tests.fuzz.residue import Residue
from tests.fuzz.servers import SERVERS, ServerCampaign
from tests.schemas import fuzz_compiled

#: Requests of a run that is not told for how long to go on.
_REQUESTS = 100_000

#: Requests after which everything that a service makes at first use is there.
_WARM_UP = 60_000


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def fuzz_requests(words: Sequence[str]) -> int:
    """Fuzz services within this process; the exit status is 1 where something was found."""
    options = _read("requests", words)
    say(f"seed {options.seed}")
    chosen = numbers(options.requests, options.seconds)
    if options.number is not None:
        chosen = numbers(1, None, options.number)
    started, campaign = time.monotonic(), Campaign(options.seed)
    campaign.run(itertools.islice(chosen, _WARM_UP))
    before = Residue.now()
    campaign.run(chosen)
    left = Residue.now().faults_since(before, campaign.services)
    for finding in campaign.findings.values():
        say(f"\n{finding}\n  make fuzz ARGS='--seed {options.seed} --number {finding.index}'")
    for fault in left:
        say(f"\n{fault}")
    say(
        f"{sum(campaign.statuses.values()):,} requests in {time.monotonic() - started:.0f} s: "
        f"{len(campaign.findings) + len(left)} kinds of faults; {dict(campaign.statuses.most_common())}"
    )
    return 1 if campaign.findings or left else 0


def fuzz_servers(words: Sequence[str]) -> int:
    """Fuzz each kind of server; the exit status is 1 where something was found."""
    options = _read("servers", words)
    say(f"seed {options.seed}")
    faults = 0
    for name, start in SERVERS.items():
        with start() as service:
            campaign = ServerCampaign(name, options.seed, service)
            left = campaign.run(numbers(options.requests, options.seconds))
        faults += len(campaign.findings) + len(left)
        for finding in (*campaign.findings.values(), *left):
            say(f"\n{finding}")
        say(f"{name}: {dict(campaign.statuses.most_common())}")
    return 1 if faults else 0


def fuzz_schemas(words: Sequence[str]) -> int:
    """Compare the compiled schemas with protobuf's own parser."""
    return fuzz_compiled.main(words)


def _read(name: str, words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"tests.fuzz {name}", description=__doc__)
    parser.add_argument("--requests", type=int, help=f"how many; {_REQUESTS:,} without --seconds")
    parser.add_argument("--seconds", type=float, help="for how long")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32), help="repeats a run")
    parser.add_argument("--number", type=int, help="of one request alone")
    options = parser.parse_args(words)
    if options.requests is None and options.seconds is None:
        options.requests = _REQUESTS
    return options


TARGETS: dict[str, Callable[[Sequence[str]], int]] = {
    "requests": fuzz_requests,
    "servers": fuzz_servers,
    "schemas": fuzz_schemas,
}


def main(words: Sequence[str]) -> int:
    """Run one of the targets."""
    target = words[0] if words and words[0] in TARGETS else "requests"
    return TARGETS[target](words[1:] if target in words[:1] else words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
