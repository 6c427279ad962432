"""Retries, priorities, the limit of the queue, and webhooks."""

import time
from pathlib import Path
from typing import Any

import pytest

from aylien_model_serving.core.settings import Settings
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.jobs.retention import Limits
from aylien_model_serving.routing import routes
from aylien_model_serving.web.job_store import open_jobs
from tests.jobs.webhook_receiver import SECRET, receiving
from tests.web.jobs import LONG, JobGate, begin, count, echo, end_of, jobs
from tests.web.requests import error, post, route, serve

pytestmark = pytest.mark.usefixtures("in_memory")


def test_a_failed_job_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aylien_model_serving.jobs.transitions.RETRY_PAUSE", 0.01)
    tries: list[float] = []

    def fail_twice(text: str = "") -> int:
        tries.append(time.monotonic())
        if len(tries) < 3:
            raise ValueError("not yet")
        return len(tries)

    client = jobs(fail_twice, retries=2)
    received = end_of(client, begin(client))

    assert (received["status"], received["result"], received["metrics"]["attempts"]) == ("finished", 3, 3)


def test_an_equal_idempotency_key_gives_the_same_job() -> None:
    client = serve(route(echo, job=True))

    first = begin(client, {"text": "a"}, Idempotency_Key="k")
    again = client.post("/p", data=b'{ "text" : "\\u0061" }', headers={"Idempotency-Key": "k"}).json["job_id"]
    other = begin(client, {"text": "a"}, Idempotency_Key="l")

    assert first == again
    assert first != other


def test_an_idempotency_key_of_another_body_path_or_query_is_a_422() -> None:
    client = serve(
        route(echo, job=True), route(count, "/count", job=True), route(echo, "/p/<text>", name="in", job=True)
    )
    begin(client, {"text": "a"}, Idempotency_Key="k")
    begin(client, None, "/p/a", Idempotency_Key="in")

    refused = [
        post(client, {"text": "b"}, Idempotency_Key="k"),
        post(client, {"number": 1}, "/count", Idempotency_Key="k"),
        post(client, None, "/p?text=a", Idempotency_Key="k"),
        post(client, None, "/p/b", Idempotency_Key="in"),
    ]

    assert {error(response)[:2] for response in refused} == {(422, "idempotency_key_reused")}


def test_an_idempotency_key_that_is_too_long_is_a_400() -> None:
    client = serve(route(echo, job=True))

    assert post(client, {"text": "a"}, Idempotency_Key="k" * 257).status_code == 400


def test_a_full_queue_is_429_with_retry_after(job_gate: JobGate) -> None:
    client = jobs(lambda text="": job_gate.wait(), queue_size=2)
    begin(client)
    assert job_gate.entered.wait(LONG)
    begin(client, Idempotency_Key="k")
    begin(client)

    refused = post(client)
    known = post(client, Idempotency_Key="k")

    assert error(refused)[:2] == (429, "too_many_requests")
    assert int(refused.headers["Retry-After"]) >= 1
    assert known.status_code == 202


def test_a_client_may_ask_for_less_priority_than_its_route_has_and_not_for_more(job_gate: JobGate) -> None:
    ran: list[str] = []

    def work(text: str) -> None:
        ran.append(text)
        job_gate.wait()

    client = jobs(work, priority=3)
    ids = [begin(client, {"text": "first"})]
    assert job_gate.entered.wait(LONG)
    asking = ("-1", "2", "3", "9", "nonsense", "")
    ids += [begin(client, {"text": asked}, X_Job_Priority=asked) for asked in asking]
    job_gate.open.set()
    for job_id in ids:
        end_of(client, job_id)

    assert ran == ["first", "3", "9", "nonsense", "", "2", "-1"]


def test_jobs_of_one_route_go_in_their_order(job_gate: JobGate) -> None:
    ran: list[str] = []

    def work(text: str) -> None:
        ran.append(text)
        job_gate.wait()

    client = jobs(work)
    ids = [begin(client, {"text": "a"})]
    assert job_gate.entered.wait(LONG)
    ids += [begin(client, {"text": text}) for text in "bc"]
    job_gate.open.set()
    for job_id in ids:
        end_of(client, job_id)

    assert ran == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"queue": 1}, "unknown key 'queue'; did you mean 'queue_size'?"),
        (
            {"retries": -1},
            "a number of 0 or more is expected, up to 1,000,000,000; this is -1",
        ),
        ({"timeout": 0}, "key 'timeout': seconds above 0 are expected; this is 0"),
        ({"priority": "high"}, "key 'priority': a whole number is expected; this is 'high'"),
    ],
)
def test_a_mistake_in_the_key_stops_the_service(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match="route '/p': key 'job': ") as raised:
        jobs(echo, **options)

    assert message in str(raised.value)


@pytest.mark.parametrize("path", ["/status/<job_id>", "/jobs", "/cancel/<anything>"])
def test_a_route_in_the_place_of_an_endpoint_of_jobs_stops_the_service(path: str) -> None:
    def handler(job_id: str = "", anything: str = "") -> None: ...

    with pytest.raises(ConfigurationError, match="is answered by another route already"):
        serve(route(echo, job=True), route(handler, path, methods=["GET", "POST"]))


def test_webhooks_are_off_unless_the_operator_lists_a_host() -> None:
    response = post(jobs(echo), X_Webhook_Url="http://127.0.0.1/done")

    assert error(response)[:2] == (400, "bad_request")


def test_webhooks_without_a_secret_stop_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_SERVING_WEBHOOK_ALLOW", "127.0.0.1")

    with pytest.raises(ConfigurationError, match="set MODEL_SERVING_WEBHOOK_SECRET as well"):
        jobs(echo)


def test_a_webhook_is_sent_from_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_SERVING_WEBHOOK_ALLOW", "http://127.0.0.1:*")
    monkeypatch.setenv("MODEL_SERVING_WEBHOOK_SECRET", SECRET)
    client = jobs(echo)
    with receiving() as receiver:
        end = end_of(client, begin(client, {"text": "a"}, X_Webhook_Url=receiver.url))
        deadline = time.monotonic() + LONG
        while not receiver.received and time.monotonic() < deadline:
            time.sleep(0.01)

    assert [received.job for received in receiver.received] == [end]


def test_the_store_is_limited_by_the_settings_and_one_in_memory_to_256_mib(
    tmp_path: Path,
) -> None:
    made_of = routes.read([{"endpoint": "/", "callable": echo, "job": True}])
    in_memory = open_jobs(Settings(jobs_url="memory://"), made_of)

    assert in_memory.store.limits.max_bytes == 256 << 20

    settings = Settings(jobs_url=f"{tmp_path}/jobs.db", jobs_max_ended=7, jobs_max_mb=8)
    made = open_jobs(settings, made_of)
    made.store.close()

    assert made.store.limits == Limits(7, 8 << 20)
