"""Why a replica can't be built is shown to operators, and to nobody else."""

from collections.abc import Iterator

import pytest

from tests.services.hosts import host
from tests.services.raw_http import Answer, ask, head
from tests.services.serving import Service

pytestmark = pytest.mark.processes

KEYS = {"admin": "an-admins-long-key-0123456789", "tenant": "a-tenants-long-key-0123456789"}

SECRET = "no weights in /the/secret/folder"
STATE = "model, replica 0: "


@pytest.fixture(scope="module")
def guarded() -> Iterator[Service]:
    """A service with API keys."""
    keys = f"admin:root:{KEYS['admin']},alice:{KEYS['tenant']}"
    with host(
        "gthread", ready=False, routes="model", load_error=SECRET, model_serving_api_keys=keys
    ) as service:
        yield service


@pytest.fixture(scope="module")
def open_service() -> Iterator[Service]:
    """A service that everybody may use."""
    with host("asgi", ready=False, routes="model", load_error=SECRET) as service:
        yield service


def ask_as(service: Service, who: str, path: str) -> Answer:
    header = [f"X-API-Key: {KEYS[who]}"] if who in KEYS else []
    answer = ask(service.port, head("Connection: close", *header, method="GET", path=path))
    assert answer is not None
    return answer


def readiness(service: Service, who: str) -> str:
    """Return what `/readyz` says, once the replica has failed."""
    service.wait_until(lambda: "can't be built" in service.log())
    answer = ask_as(service, who, "/readyz")
    assert (answer.status, answer.json()["code"]) == (503, "unavailable")
    said: str = answer.json()["error"]
    return said


def test_readiness_shows_an_admin_the_last_lines_of_the_error(guarded: Service) -> None:
    guarded.wait_until(lambda: SECRET in readiness(guarded, "admin"))  # it comes by way of the supervisor

    first, state, *lines = readiness(guarded, "admin").splitlines()

    assert (first, state.startswith(STATE)) == ("Not ready yet: model", True)
    assert lines[-1] == f"FileNotFoundError: {SECRET}"
    assert any("hosted_apps.py" in line for line in lines)
    assert len(lines) <= 6
    assert not any("^^" in line for line in lines)


def test_readiness_shows_a_tenant_the_state_alone(guarded: Service) -> None:
    first, state = readiness(guarded, "tenant").splitlines()

    assert (first, state.startswith(STATE)) == ("Not ready yet: model", True)


def test_readiness_shows_a_stranger_the_name_alone(guarded: Service) -> None:
    assert readiness(guarded, "stranger") == "Not ready yet: model"


def test_without_keys_nobody_is_shown_the_error(open_service: Service) -> None:
    _, state = readiness(open_service, "stranger").splitlines()
    runners = ask_as(open_service, "stranger", "/__runners")

    assert state.startswith(STATE)
    assert SECRET not in runners.body.decode()


@pytest.mark.parametrize(("who", "is_shown"), [("admin", True), ("tenant", False)])
@pytest.mark.parametrize("path", ["/__runners", "/__dashboard/events"])
def test_the_operators_pages_show_the_error_to_an_admin(
    guarded: Service, path: str, who: str, is_shown: bool
) -> None:
    readiness(guarded, who)
    answer = ask_as(guarded, who, path)

    assert answer.status == 200
    assert (SECRET in answer.body.decode()) == is_shown
