"""The same forty requests through every protocol: the same answers, and the same errors."""

from collections.abc import Callable, Iterator

import pytest

from tests.protocols.cases import CASES, Case, ProtocolClient, fields_of, finding_of
from tests.protocols.http_clients import JSONClient, MessageClient
from tests.services.serving import Service, serve

pytestmark = pytest.mark.processes

#: The client of each protocol, made of the service that runs.
PROTOCOLS: dict[str, Callable[[Service], ProtocolClient]] = {
    "HTTP with JSON": lambda service: JSONClient(service.url),
    "HTTP with messages": lambda service: MessageClient(service.url),
}


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with serve("tests.protocols.service:app", worker_class="asgi", workers=1) as running:
        yield running


@pytest.fixture(scope="module", params=PROTOCOLS)
def client(request: pytest.FixtureRequest, service: Service) -> ProtocolClient:
    return PROTOCOLS[request.param](service)


def test_there_are_forty_requests_of_different_names() -> None:
    assert len({case.name for case in CASES}) == 40


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_request_is_answered_alike_by_every_protocol(client: ProtocolClient, case: Case) -> None:
    fields = fields_of(case)

    answer = client.ask(fields)

    assert answer == (case.error or finding_of(fields))
