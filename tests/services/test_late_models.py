"""Models that no code names start at their first call, whichever process makes it, and once for all."""

from collections.abc import Iterator

import pytest

from tests.selection import matrix
from tests.services.serving import Service, serve

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module", params=matrix(["asgi", "gevent"], "asgi"))
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    app = "tests.services.late_apps:run_app()"
    with serve(app, worker_class=request.param, args=["--threads", "8"], ready="/readyz") as service:
        yield service


def test_a_model_starts_that_only_another_model_calls(service: Service) -> None:
    answer = service.post("/called", json={"name": "outer", "number": 3})

    assert (answer.status_code, answer.text) == (200, "7")


def test_a_model_loads_while_the_warm_up_of_another_one_waits_for_it(service: Service) -> None:
    answer = service.post("/called", json={"name": "warmed", "number": 3})

    assert (answer.status_code, answer.text) == (200, "7")


def test_a_model_starts_that_only_a_hosted_handler_calls_and_web_workers_call_the_same(
    service: Service,
) -> None:
    by_replica = service.post("/hosted", json={"name": "hosted"})
    by_worker = service.post("/worker", json={"name": "hosted"})

    assert by_replica.status_code == 200, by_replica.text
    assert by_worker.json() == by_replica.json()


def test_a_model_starts_that_only_a_job_calls(service: Service) -> None:
    job = service.post("/job", json={"name": "job"}).json()["job_id"]

    done = service.get(f"/status/{job}?wait=40").json()

    assert (done["status"], type(done.get("result"))) == ("finished", int)
