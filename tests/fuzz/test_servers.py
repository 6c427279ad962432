"""Real servers of every kind live through mutated requests, broken frames included."""

from __future__ import annotations

import pytest

from tests.fuzz.campaign import numbers
from tests.fuzz.servers import SERVERS, ServerCampaign
from tests.selection import matrix
from tests.services.hosts import UNHEARD
from tests.services.raw_http import ask, get, post

pytestmark = pytest.mark.processes

REQUESTS = 500
QUICK_REQUESTS = 300
SEED = 13

#: In uvicorn's own traceback, where h11 refuses its 400 to a HEAD whose chunks are broken.
OF_UVICORN = "in send_400_response"


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
        log = "\n".join(line for line in service.log().splitlines() if OF_UVICORN not in line)
    assert not campaign.findings, "\n\n".join(map(str, campaign.findings.values()))
    assert not left
    assert not [replica for copies in hosted.values() for replica in copies if replica["restarts"]]
    assert (answer.status, answer.json()) == (200, {"text": "hello", "times": 1})
    assert not [words for words in (*UNHEARD, "Traceback") if words in log], log
