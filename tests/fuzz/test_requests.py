"""The fuzz run: no request is answered by a fault of the service's own, by slowness, or by a leak."""

from __future__ import annotations

import subprocess
import sys

import pytest

from aylien_model_serving.process import native_threads
from tests.fuzz.campaign import Campaign, numbers
from tests.selection import full
from tests.services.serving import PROJECT, clean_environment

pytestmark = pytest.mark.skipif(native_threads.is_patched(), reason="an event loop has a thread of its own")

QUICK_REQUESTS = 3000
FULL_REQUESTS = 100_000
SEED = 13


def test_mutated_requests_are_answered_without_a_fault() -> None:
    campaign = Campaign(SEED)

    campaign.run(numbers(QUICK_REQUESTS, None))

    campaign.close()
    assert not campaign.findings, "\n\n".join(map(str, campaign.findings.values()))
    assert campaign.statuses[200] > QUICK_REQUESTS / 10  # the mutations leave enough of a request whole


@full
@pytest.mark.processes
@pytest.mark.timeout(900)
def test_a_hundred_thousand_mutated_requests_leave_the_process_as_it_was() -> None:
    command = [sys.executable, "-m", "tests.fuzz", "--requests", str(FULL_REQUESTS), "--seed", str(SEED + 1)]

    run = subprocess.run(command, cwd=PROJECT, env=clean_environment(), capture_output=True, text=True)

    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{FULL_REQUESTS:,} requests" in run.stdout
