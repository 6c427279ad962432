"""Limits of a hosted call: its deadline, the queue before it, the patience with a model that is stuck."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.selection import matrix
from tests.services.hosts import Asking, gated, host, metric, replicas
from tests.services.raw_http import Answer, ask, connect, post
from tests.services.serving import Service

pytestmark = pytest.mark.processes

PATH = "/limited"
QUEUE = 2
REFUSED = 9
ITEMS = 100

#: Seconds in which a busy machine has told most clients that a queue is full; an idle one needs a hundredth.
AT_ONCE = 0.25


@pytest.fixture(scope="module")
def diaries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("diaries")


@pytest.fixture(scope="module", params=matrix(["gevent", "asgi"], "asgi"))
def service(request: pytest.FixtureRequest, diaries: Path) -> Iterator[Service]:
    routes = "limited,hasty,stuck"
    with host(
        request.param,
        workers=1,
        routes=routes,
        diary=diaries / request.param,
        model_serving_max_json_items=ITEMS,
    ) as service:
        yield service


@pytest.fixture
def diary(request: pytest.FixtureRequest, service: Service, diaries: Path) -> Path:
    found: Path = diaries / request.node.callspec.params["service"]
    return found


def waiting(service: Service) -> int:
    found: int = replicas(service, "limited")[0]["waiting"]
    return found


def lines(diary: Path) -> list[str]:
    return diary.read_text().splitlines()


def test_a_call_that_waits_too_long_is_answered_in_time_and_never_runs(
    service: Service, diary: Path, tmp_path: Path
) -> None:
    with gated(service, tmp_path / "first", PATH) as first:
        late = Asking(service, PATH, "X-Request-Timeout: 0.2", text=f"late in {tmp_path}").answer()
        is_still_busy = not first.is_over()
    answers = [first.answer(), ask(service.port, post({}, path=PATH))]

    assert (late.status, late.json()["code"], is_still_busy) == (504, "deadline_exceeded", True)
    assert [answer.status for answer in answers] == [200, 200]
    assert f"late in {tmp_path}" not in lines(diary)
    assert metric(service, "model_serving_runner_dropped_total", runner="limited") >= 1


def test_the_slot_of_a_call_that_overran_stays_taken_until_it_has_stopped(
    service: Service, diary: Path, tmp_path: Path
) -> None:
    with gated(service, tmp_path / "long", PATH, "X-Request-Timeout: 0.2") as overrun:
        given_up = overrun.answer()
        following = Asking(service, PATH, text=f"next in {tmp_path}")
        service.wait_until(lambda: waiting(service) == 1)
        [busy] = replicas(service, "limited")
        has_run = f"next in {tmp_path}" in lines(diary)

    assert (given_up.status, busy["running"], has_run) == (504, 1, False)
    assert following.answer().status == 200


@pytest.mark.parametrize("header", [(), ("X-Request-Timeout: 50",)])
def test_no_call_gets_more_time_than_its_route_allows(
    service: Service, header: tuple[str, ...], tmp_path: Path
) -> None:
    with gated(service, tmp_path / "long", "/hasty", *header) as overrun:
        answer = overrun.answer()

    assert (answer.status, answer.json()["code"]) == (504, "deadline_exceeded")
    service.wait_until(lambda: replicas(service, "hasty")[0]["running"] == 0)


@pytest.mark.parametrize("service", ["asgi"], indirect=True)
def test_a_call_whose_client_has_left_never_runs(service: Service, diary: Path, tmp_path: Path) -> None:
    left, dropped = metric(service, "flask_http_request_total", status="499"), abandoned(service)
    with gated(service, tmp_path / "first", PATH) as first:
        with connect(service.port) as leaving:
            leaving.send(post({"text": f"left in {tmp_path}"}, path=PATH))
            service.wait_until(lambda: waiting(service) == 1)
        service.wait_until(lambda: metric(service, "flask_http_request_total", status="499") > left)
    answers = [first.answer(), ask(service.port, post({}, path=PATH))]

    assert [answer.status for answer in answers] == [200, 200]
    assert f"left in {tmp_path}" not in lines(diary)
    assert abandoned(service) == dropped + 1


def abandoned(service: Service) -> float:
    return metric(service, "model_serving_runner_dropped_total", runner="limited", reason="abandoned")


@pytest.mark.parametrize("how", ["gate", "spin_gate"])
def test_what_a_full_queue_has_no_room_for_is_refused_at_once(
    service: Service, how: str, tmp_path: Path
) -> None:
    with gated(service, tmp_path / "first", PATH, how=how) as first:
        queued = [Asking(service, PATH, text=str(number)) for number in range(QUEUE)]
        service.wait_until(lambda: waiting(service) == QUEUE)
        refusals, seconds = ask_again(service)
        is_still_busy = not first.is_over()
    answers = [asking.answer() for asking in (first, *queued)]

    assert is_still_busy
    assert {(refusal.status, refusal.json()["code"]) for refusal in refusals} == {(503, "unavailable")}
    assert all(int(refusal.headers["retry-after"]) >= 1 for refusal in refusals)
    assert sorted(seconds)[REFUSED // 2] < AT_ONCE
    assert [answer.status for answer in answers] == [200] * (1 + QUEUE)


def ask_again(service: Service) -> tuple[list[Answer], list[float]]:
    """Return the answers to several requests, and the seconds that each took."""
    answers, seconds = [], []
    with connect(service.port) as connection:
        for _ in range(REFUSED):
            began = time.monotonic()
            answer = connection.ask(post({}, path=PATH))
            seconds.append(time.monotonic() - began)
            assert answer is not None
            answers.append(answer)
    return answers, seconds


def test_a_model_that_is_stuck_is_replaced_and_its_caller_is_told(service: Service, tmp_path: Path) -> None:
    restarts = replicas(service, "stuck")[0]["restarts"]
    with gated(service, tmp_path / "first", "/stuck", how="spin_gate") as stuck:
        waited = Asking(service, "/stuck", text="innocent")
        failed = stuck.answer()
    [told] = replicas(service, "stuck")

    assert (failed.status, failed.json()["code"]) == (500, "internal_error")
    assert waited.answer().status == 200
    assert told["restarts"] >= restarts + 1


def test_a_body_with_too_many_items_is_refused_by_the_replica_that_would_decode_it(service: Service) -> None:
    answer = ask(service.port, post({"text": [[]] * ITEMS}, path=PATH))

    assert (answer.status, answer.json()["code"]) == (413, "too_many_items")
    assert "MODEL_SERVING_MAX_JSON_ITEMS" in answer.json()["error"]
