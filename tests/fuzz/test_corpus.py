"""What the fuzz run found once is not found again, through whichever adapter it comes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aylien_model_serving.process import native_threads
from tests.fuzz.campaign import ADAPTERS, Campaign
from tests.fuzz.corpus import CORPUS

pytestmark = pytest.mark.skipif(native_threads.is_patched(), reason="an event loop has a thread of its own")


@pytest.fixture(scope="module")
def campaign() -> Iterator[Campaign]:
    campaign = Campaign(seed=0)
    yield campaign
    campaign.close()


@pytest.mark.parametrize("adapter", dict.fromkeys(ADAPTERS))
@pytest.mark.parametrize("name", CORPUS)
def test_what_was_found_is_answered(campaign: Campaign, name: str, adapter: str) -> None:
    entry = CORPUS[name]

    answer, fault = campaign.try_one(adapter, entry.request.deliverable())

    assert fault is None
    assert answer.status in entry.statuses, answer.body
