"""The same forty requests through every protocol: the same answers, and the same errors."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from tests.protocols.cases import CASES, Case, ProtocolClient, fields_of, finding_of
from tests.protocols.grpc_clients import StubClient
from tests.protocols.http_clients import JSONClient, MessageClient
from tests.protocols.inference_clients import BinaryInferClient, InferClient, InferStub
from tests.protocols.platform_clients import LambdaClient, PlatformClient, RunPodClient, vertex
from tests.services.serving import free_port, serve

pytestmark = pytest.mark.processes


class Places(NamedTuple):
    """Where the service is.

    Args:
        url: of its HTTP.
        grpc_port: of its gRPC server.
    """

    url: str
    grpc_port: int


#: The client of each protocol, made of the service that runs.
PROTOCOLS: dict[str, Callable[[Places], ProtocolClient]] = {
    "HTTP with JSON": lambda places: JSONClient(places.url),
    "HTTP with messages": lambda places: MessageClient(places.url),
    "gRPC": lambda places: StubClient(places.grpc_port),
    "Open Inference Protocol with JSON": lambda places: InferClient(places.url),
    "Open Inference Protocol with bytes": lambda places: BinaryInferClient(places.url),
    "Open Inference Protocol by gRPC": lambda places: InferStub(places.grpc_port),
    "SageMaker": lambda _: PlatformClient("sagemaker", "/invocations"),
    "Azure ML": lambda _: PlatformClient("azureml", "/score"),
    "Vertex AI": lambda _: vertex(),
    "RunPod": lambda _: RunPodClient(),
    "AWS Lambda": lambda _: LambdaClient(),
}


@pytest.fixture(scope="module")
def places() -> Iterator[Places]:
    port = free_port()
    settings = {"MODEL_SERVING_GRPC_PORT": str(port)}
    with serve("tests.protocols.service:app", worker_class="asgi", workers=1, env=settings) as running:
        yield Places(running.url, port)


@pytest.fixture(scope="module", params=PROTOCOLS)
def client(request: pytest.FixtureRequest, places: Places) -> ProtocolClient:
    return PROTOCOLS[request.param](places)


def test_there_are_forty_requests_of_different_names() -> None:
    assert len({case.name for case in CASES}) == 40


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_request_is_answered_alike_by_every_protocol(client: ProtocolClient, case: Case) -> None:
    fields = fields_of(case)

    answer = client.ask(fields)

    assert answer == (case.error or finding_of(fields))
