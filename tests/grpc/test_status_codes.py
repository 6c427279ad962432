"""Every status that the service's errors have is a code of gRPC's."""

import grpc
import pytest

from aylien_model_serving import errors
from aylien_model_serving.grpc.status_codes import code_of


def all_errors(kind: type[errors.ServingError] = errors.ServingError) -> list[type[errors.ServingError]]:
    return [kind, *(found for below in kind.__subclasses__() for found in all_errors(below))]


@pytest.mark.parametrize("kind", all_errors())
def test_an_error_has_a_code_of_its_kind(kind: type[errors.ServingError]) -> None:
    code = code_of(kind.status)

    is_clients_fault = code not in (
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    )
    assert is_clients_fault == (kind.status < 500)
    assert code is not grpc.StatusCode.UNKNOWN


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (302, grpc.StatusCode.FAILED_PRECONDITION),
        (418, grpc.StatusCode.FAILED_PRECONDITION),
        (502, grpc.StatusCode.INTERNAL),
    ],
)
def test_a_status_of_a_handlers_own_has_one_too(status: int, code: grpc.StatusCode) -> None:
    assert code_of(status) is code
