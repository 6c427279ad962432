"""What nobody waits for any more stops: in the web worker, in replicas, and in all that these wait for."""

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.services.serving import Service, serve

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def diary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("cancellation") / "diary"
    made.touch()
    return made


@pytest.fixture(scope="module")
def service(diary: Path) -> Iterator[Service]:
    app = "tests.services.cancelled_apps:run_app()"
    with serve(app, worker_class="asgi", workers=1, env={"DIARY": str(diary)}, ready="/readyz") as service:
        yield service


def asking(service: Service, path: str, **fields: Any) -> http.client.HTTPConnection:
    """Send a request, and return the connection, whose end is the client's leaving."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
    connection.request("POST", path, json.dumps(fields))
    return connection


def leave(service: Service, diary: Path, path: str, until: str, **fields: Any) -> None:
    """Leave a request when a line is in the diary."""
    with closing(asking(service, path, **fields)):
        wait_for(service, diary, until)


def wait_for(service: Service, diary: Path, *lines: str) -> None:
    service.wait_until(lambda: set(lines) <= set(diary.read_text().splitlines()))


def idle(service: Service, *runners: str) -> bool:
    found = service.get("/__runners").json()
    return all(replica["running"] == 0 for runner in runners for replica in found[runner])


@pytest.mark.parametrize("path", ["/here", "/stream", "/stream_async", "/hosted", "/hosted_stream"])
def test_a_handler_notices_that_its_client_has_left(service: Service, diary: Path, path: str) -> None:
    leave(service, diary, path, f"{path} began", name=path)

    wait_for(service, diary, f"{path} was cancelled")
    service.wait_until(lambda: idle(service, "hosted", "hosted_stream"))


@pytest.mark.parametrize("how", ["call", "map", "submit", "items"])
def test_a_client_that_leaves_cancels_the_models_that_its_handler_waits_for(
    service: Service, diary: Path, how: str
) -> None:
    callee = "items" if how == "items" else "embed"

    leave(service, diary, "/search", f"{how}/{callee} began", name=how, how=how)

    wait_for(service, diary, f"{how}/{callee} was cancelled", f"{how}/rank was cancelled")
    service.wait_until(lambda: idle(service, "embed", "rank"))
    assert "Cancelled" not in service.log()


@pytest.mark.parametrize("kind", ["function", "method"])
def test_coroutines_are_cancelled_in_their_replicas(service: Service, diary: Path, kind: str) -> None:
    leave(service, diary, "/search_async", f"{kind}/embed began", name=kind)

    wait_for(service, diary, f"{kind}/embed was cancelled", f"{kind}/rank_async was cancelled")
    service.wait_until(lambda: idle(service, "embed", "rank", "rank_async"))


def test_a_batch_goes_on_for_those_who_stay(service: Service, diary: Path) -> None:
    first = asking(service, "/batch", name="first")
    wait_for(service, diary, "first began")
    stays = asking(service, "/batch", name="stays")
    leaves = asking(service, "/batch", name="leaves")
    service.wait_until(lambda: service.get("/__runners").json()["batch"][0]["waiting"] == 2)
    first.close()
    wait_for(service, diary, "leaves,stays began")
    leaves.close()

    with closing(stays):
        assert json.loads(stays.getresponse().read()) == "stays"
    wait_for(service, diary, "first were cancelled", "leaves,stays ran")


def test_a_batch_is_cancelled_when_all_have_left(service: Service, diary: Path) -> None:
    leave(service, diary, "/batch", "alone began", name="alone")

    wait_for(service, diary, "alone were cancelled")


def test_a_job_that_is_cancelled_tells_its_handler(service: Service, diary: Path) -> None:
    job = service.post("/later", json={"name": "later"}).json()["job_id"]
    wait_for(service, diary, "later began")

    service.post(f"/cancel/{job}")

    wait_for(service, diary, "later was cancelled")
    assert service.get(f"/status/{job}?wait=20").json()["status"] == "cancelled"
