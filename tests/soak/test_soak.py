"""A mixed load leaves nothing behind, and a soak finds what does; `make soak` goes on for minutes."""

from __future__ import annotations

import pytest

from tests.selection import full
from tests.soak.soaking import SERVERS, soak

pytestmark = [pytest.mark.processes, full]


@pytest.mark.parametrize("server", [server for server in SERVERS if server != "sync"])
def test_a_mixed_load_leaves_nothing_behind(server: str) -> None:
    soaked = soak(server, warm_up=3, seconds=8)

    assert not soaked.faults, soaked
