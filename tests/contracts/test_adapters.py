"""All adapters respond alike: status, headers in their order, body, and what was counted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contracts.adapters import ServiceByAdapter, frozen_signatures
from tests.contracts.cases import CASES, Case
from tests.contracts.comparison import assert_equal_responses


@pytest.fixture(scope="module", autouse=True)
def _signatures() -> Iterator[None]:
    with frozen_signatures():
        yield


@pytest.fixture(scope="module")
def built() -> dict[object, ServiceByAdapter]:
    """Services that are built already: most cases ask the same one."""
    return {}


def service_of(case: Case, built: dict[object, ServiceByAdapter]) -> ServiceByAdapter:
    return built.setdefault((case.build, *case.environ.items()), ServiceByAdapter(case.build, case.environ))


@pytest.mark.parametrize("name", CASES)
def test_all_adapters_respond_alike(name: str, built: dict[object, ServiceByAdapter]) -> None:
    case = CASES[name]

    assert_equal_responses(service_of(case, built), case)
