"""Real servers of every kind live through mutated requests, broken frames included."""

from __future__ import annotations

import pytest

from tests.fuzz.campaign import numbers
from tests.fuzz.servers import SERVERS, ServerCampaign
from tests.selection import matrix
from tests.services.hosts import UNHEARD
from tests.services.raw_http import ask, get, post

pytestmark = pytest.mark.processes

REQUESTS = 400
QUICK_REQUESTS = 200
SEED = 13


@pytest.mark.parametrize(
    ("name", "requests"),
    matrix(
        [(name, REQUESTS) for name in SERVERS] + [("asgi", QUICK_REQUESTS)],
        ("asgi", QUICK_REQUESTS),
        rows=True,
    ),
)
def test_a_server_answers_and_lives_on(name: str, requests: int) -> None:
    with SERVERS[name]() as service:
        campaign = ServerCampaign(name, SEED, service)

        left = campaign.run(numbers(requests, None))

        answer = ask(service.port, post({"text": "hello"}, path="/echo"))
        hosted = ask(service.port, get("/__runners")).json()
        log = service.log()
    assert not campaign.findings, "\n\n".join(map(str, campaign.findings.values()))
    assert not left
    assert not [replica for copies in hosted.values() for replica in copies if replica["restarts"]]
    assert (answer.status, answer.json()) == (200, {"text": "hello", "times": 1})
    assert not [words for words in (*UNHEARD, "Traceback") if words in log], log
