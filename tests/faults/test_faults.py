"""What a fault costs is no more than is promised, and the guide's table has all faults."""

from __future__ import annotations

import pytest

from tests.docs.pages import table
from tests.faults.faults import FAULTS
from tests.faults.measuring import breaches, outcomes
from tests.faults.targets import SERVERS
from tests.selection import full

pytestmark = pytest.mark.processes

#: Seconds that a busy machine gets on top of what is promised.
MARGIN = 20.0

#: Each fault once or twice; `make faults` has all under all.
CHOSEN = {
    "asgi": (
        "`sys.exit`, batched",
        "`os._exit`, inline",
        "`os._exit`, hosted",
        "SIGKILL of a worker",
        "`TMPDIR` full for 3 s, SIGKILL of a replica",
        "SIGHUP",
        "SIGTERM",
    ),
    "gevent": (
        "`sys.exit`, inline",
        "`segfault`, hosted",
        "SIGKILL of the supervisor",
        "SIGKILL of the replica of a stream",
        "the wall clock stepped 2 h ahead under a job",
        "the wall clock stepped 2 h back under a job",
    ),
    "gthread": (
        "`MemoryError`, hosted",
        "`segfault`, batched",
        "SIGKILL of a replica",
        "the file of jobs locked for 3 s",
        "the file of jobs cut in half",
        "the file of jobs read-only for 3 s",
        "a client reads its stream after 3 s",
    ),
    "sync": ("`sys.exit`, hosted", "SIGKILL of the master"),
    "granian": ("`MemoryError`, inline", "the file of jobs gone for 3 s", "a client leaves its stream"),
}


@full
@pytest.mark.timeout(400)
@pytest.mark.parametrize("server", CHOSEN)
def test_a_fault_costs_no_more_than_is_promised(server: str) -> None:
    happened = outcomes(server, [FAULTS[name] for name in CHOSEN[server]])

    worse = {fault.name: breaches(server, outcome, fault, MARGIN) for fault, outcome in happened if outcome}

    assert {name: found for name, found in worse.items() if found} == {}


def test_the_guide_has_every_fault() -> None:
    rows = table("docs/guide/operations.md", "Faults")

    assert [row[0] for row in rows] == list(FAULTS)
    assert {len(row) for row in rows} == {1 + len(SERVERS) + 1}
