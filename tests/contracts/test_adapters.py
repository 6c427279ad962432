"""All doors answer alike: status, headers in their order, body, and what was counted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contracts.adapters import House, frozen_signatures
from tests.contracts.alike import assert_alike
from tests.contracts.cases import CASES, Case


@pytest.fixture(scope="module", autouse=True)
def _signatures() -> Iterator[None]:
    with frozen_signatures():
        yield


@pytest.fixture(scope="module")
def houses() -> dict[object, House]:
    """Services that are built already: most cases ask the same one."""
    return {}


def house_of(case: Case, houses: dict[object, House]) -> House:
    return houses.setdefault((case.build, *case.environ.items()), House(case.build, case.environ))


@pytest.mark.parametrize("name", CASES)
def test_nobody_can_tell_the_doors_apart(name: str, houses: dict[object, House]) -> None:
    case = CASES[name]

    assert_alike(house_of(case, houses), case)
