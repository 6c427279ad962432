"""Handlers that are asked whether they are well: hosted ones are replaced, others end the readiness."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.services.serving import Service, serve

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def ill(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("health") / "ill"
    made.touch()
    return made


@pytest.fixture(scope="module")
def service(ill: Path) -> Iterator[Service]:
    app = "tests.services.health_apps:run_app()"
    with serve(app, workers=1, env={"ILL": str(ill)}, ready="/readyz") as service:
        yield service


def replicas(service: Service) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = service.get("/__runners").json()["hosted"]
    return found


def test_a_replica_that_is_not_well_is_replaced_without_an_error(service: Service, ill: Path) -> None:
    [before] = replicas(service)
    metric = 'model_serving_runner_healthy{runner="hosted"'

    ill.write_text(str(before["pid"]))
    statuses = set()

    def is_replaced() -> bool:
        statuses.add(service.post("/hosted", json={"text": "a"}).status_code)
        found = replicas(service)
        return [replica["pid"] for replica in found] != [before["pid"]] and len(found) == 1

    service.wait_until(is_replaced)

    assert before["healthy"] is True
    assert statuses == {200}
    service.wait_until(lambda: replicas(service)[0].get("healthy") is True)
    [line] = [line for line in service.get("/metrics").text.splitlines() if line.startswith(metric)]
    assert line.endswith(" 1.0")
    assert "hosted is not well: health() says no" in service.log()
    assert "Replica 0 of hosted is replaced: health() says no" in service.log()


def test_a_web_worker_is_not_ready_while_its_handler_is_not_well(service: Service, ill: Path) -> None:
    ill.write_text("here")
    unready = service.get("/readyz")
    ill.write_text("")
    ready = service.get("/readyz")

    assert (unready.status_code, unready.json()["error"]) == (503, "Not well: here")
    assert ready.status_code == 200
