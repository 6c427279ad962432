"""RunPod's released SDK, which takes a service's jobs from a stand-in of its platform, and its local API."""

from __future__ import annotations

import base64
import json
import urllib.request
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.selection import full
from tests.services.runpod_platform import Platform, running_platform
from tests.services.serving import Service, launch
from tests.with_media import need_media
from tests.with_runpod import find_interpreter

pytestmark = [pytest.mark.processes, full]

#: The service's own store of jobs, which is nobody's to keep.
_OWN_STORE = {"MODEL_SERVING_JOBS_URL": ""}


class _Worker(NamedTuple):
    service: Service
    platform: Platform


def _run(target: str, *options: str) -> list[str]:
    return [str(find_interpreter()), "-m", "aylien_model_serving", "run", target, *options]


def _working(target: str) -> Iterator[_Worker]:
    with running_platform() as platform:
        env = {"FTAPI_BACKEND": "runpod", "FTAPI_DEPLOYMENT": "serverless"}
        with launch(_run(target), env={**env, **_OWN_STORE, **platform.variables()}, ready=None) as service:
            yield _Worker(service, platform)


@pytest.fixture(scope="module")
def worker() -> Iterator[_Worker]:
    yield from _working("tests.services.runpod_apps:plain")


@pytest.fixture(scope="module")
def streaming() -> Iterator[_Worker]:
    yield from _working("tests.services.runpod_apps:streaming")


def test_a_job_is_a_call_of_the_route_that_its_path_names(worker: _Worker) -> None:
    worker.platform.submit("a1", path="/shout", text="hello")

    assert worker.platform.result_of("a1") == {"output": "HELLO"}


def test_a_file_comes_as_base64(worker: _Worker) -> None:
    need_media()
    worker.platform.submit("f1", path="size", file=base64.b64encode(b"12345").decode())

    assert worker.platform.result_of("f1") == {"output": 5}


def test_an_url_is_not_fetched_unless_the_operator_allows_it(worker: _Worker) -> None:
    worker.platform.submit("f2", path="size", file="http://127.0.0.1/secret")

    assert worker.platform.result_of("f2")["error"] == (
        "file: files are not fetched from URLs here: send the file itself"
    )


def test_an_error_of_the_services_is_the_jobs(worker: _Worker) -> None:
    worker.platform.submit("e1", path="/shout", text=5)

    told = worker.platform.result_of("e1")

    assert told["error"] == "text: Expected `str`, got `int`"
    assert told["output"] == {"code": "schema_mismatch", "status": 400, "request_id": "e1"}


def test_a_result_keeps_what_the_sdk_has_a_meaning_of_its_own_for(worker: _Worker) -> None:
    worker.platform.submit("r1", path="/record")

    assert worker.platform.result_of("r1") == {
        "output": {"result": {"error": 0.25, "refresh_worker": "no", "label": "cat"}}
    }


def test_progress_of_a_handler_is_the_jobs_and_its_result_follows(worker: _Worker) -> None:
    worker.platform.submit("p1", path="/fries", amount=3)

    assert worker.platform.result_of("p1") == {"output": {"fries": 3}}
    worker.platform.wait_until(lambda: worker.platform.progress.get("p1"))
    assert worker.platform.progress["p1"][0].keys() == {"progress", "message"}


def test_a_handler_that_fails_tells_no_secret(worker: _Worker) -> None:
    worker.platform.submit("b1", path="/burnt")

    told = worker.platform.result_of("b1")

    assert told["error"] == "The service failed to answer this request"
    assert "secret" not in json.dumps(told)


def test_jobs_run_beside_each_other_as_the_routes_allow(worker: _Worker) -> None:
    for number in range(3):
        worker.platform.submit(f"m{number}", path="/meet")

    assert [worker.platform.result_of(f"m{number}") for number in range(3)] == [{"output": "met"}] * 3


def test_a_job_that_is_stopped_stops_its_handler(worker: _Worker) -> None:
    worker.platform.submit("c1", path="/fries", amount=1000)
    worker.platform.wait_until(lambda: worker.platform.progress.get("c1"))

    worker.platform.stop("c1")

    worker.service.wait_until(lambda: "Job stopped." in worker.service.log())
    told = len(worker.platform.progress["c1"])
    worker.platform.submit("c2", path="/fries", amount=1)
    worker.platform.submit("c3", path="/fries", amount=1)
    assert worker.platform.result_of("c2") == worker.platform.result_of("c3") == {"output": {"fries": 1}}
    assert len(worker.platform.progress["c1"]) <= told + 1
    assert "c1" not in worker.platform.results


def test_the_worker_pings_the_platform(worker: _Worker) -> None:
    worker.platform.wait_until(lambda: worker.platform.pings > 0)


def test_items_of_a_generator_are_sent_as_they_are_made(streaming: _Worker) -> None:
    streaming.platform.submit("g1", path="/count", n=3)

    assert streaming.platform.result_of("g1") == {"output": [0, 1, 2]}
    assert streaming.platform.streams["g1"] == [0, 1, 2]


def test_an_error_ends_a_stream_after_its_items(streaming: _Worker) -> None:
    streaming.platform.submit("g2", path="/count", n=9)

    assert streaming.platform.result_of("g2") == {"error": "The service failed to answer this request"}
    assert streaming.platform.streams["g2"] == [0, 1, 2, 3, 4]


def test_a_result_is_the_only_item_where_another_route_streams(streaming: _Worker) -> None:
    streaming.platform.submit("g3", path="/total", numbers=[1, 2, 3])

    assert streaming.platform.result_of("g3") == {"output": [6]}


def test_the_local_api_calls_routes() -> None:
    options = ("--runpod-dev", "--port", "{port}")
    with launch(_run("tests.services.runpod_apps:plain", *options), ready="/", env=_OWN_STORE) as service:
        answered = _post(f"{service.url}/runsync", {"input": {"path": "/shout", "text": "hello"}})
        refused = _post(f"{service.url}/runsync", {"input": {"path": "/nowhere"}})
        followed = _post(f"{service.url}/runsync", {"input": {"path": "/fries", "pause": 0.01}})

    assert (answered["status"], answered["output"]) == ("COMPLETED", "HELLO")
    assert (refused["status"], refused["error"]) == ("FAILED", "There is no route '/nowhere'")
    assert (followed["status"], followed["output"]) == ("COMPLETED", {"fries": 1})


def _post(url: str, value: Any) -> Any:
    request = urllib.request.Request(url, json.dumps(value).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.loads(response.read())
