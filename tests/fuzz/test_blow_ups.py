"""Large requests of every kind are answered without a fault, and in the time that their size permits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aylien_model_serving.process import native_threads
from tests.fuzz.blow_ups import bodies, heads
from tests.fuzz.campaign import ADAPTERS, Campaign
from tests.fuzz.requests import Fuzzed
from tests.selection import matrix

pytestmark = pytest.mark.skipif(native_threads.is_patched(), reason="an event loop has a thread of its own")

BODY_BYTES = 200_000
HEAD_BYTES = 60_000
TARGETS = (
    b"/echo",
    b"/search?q=a",
    b"/request",
    b"/view",
    b"/none",
    b"/mounted-asgi",
    b"/mounted-wsgi",
    b"/jobs",
)


@pytest.fixture(scope="module")
def campaign() -> Iterator[Campaign]:
    campaign = Campaign(seed=0)
    yield campaign
    campaign.close()


def faults(campaign: Campaign, adapter: str, requests: list[Fuzzed]) -> list[object]:
    found = []
    for request in requests:
        answer, fault = campaign.try_one(adapter, request.deliverable())
        if fault is not None:
            found.append((fault, answer.status, request.target[:50], request.headers[:1], request.body[:50]))
    return found


@pytest.mark.parametrize("adapter", matrix(dict.fromkeys(ADAPTERS), "asgi"))
def test_large_bodies_cost_what_their_size_permits(campaign: Campaign, adapter: str) -> None:
    assert not faults(campaign, adapter, bodies(BODY_BYTES))


@pytest.mark.parametrize("adapter", matrix(dict.fromkeys(ADAPTERS), "asgi"))
def test_large_heads_cost_what_their_size_permits(campaign: Campaign, adapter: str) -> None:
    assert not faults(campaign, adapter, heads(HEAD_BYTES, TARGETS))
