"""Processes of a service that are there and do nothing: stopped by a signal, or holding the interpreter."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.selection import full, matrix
from tests.services.hosts import (
    APP,
    LEAVING_SECONDS,
    MARGIN,
    Asking,
    Load,
    gated,
    gone_in_the_end,
    host,
    metric,
    model_pid,
    processes,
    replicas,
    supervisor,
    wait_until,
)
from tests.services.raw_http import ask, get, post
from tests.services.serving import Service, serve

pytestmark = pytest.mark.processes

SERVERS = ["gthread", "gevent", "asgi"]

#: Seconds without a sign of life; a replica of a busy machine may need as many tenths for one.
UNRESPONSIVE_AFTER = 1.5

CLIENTS = 8
FURTHER = 64
QUEUED = 4

#: Seconds that a stop waits for answers.
GRACEFUL_SECONDS = 3

#: Seconds in which a refusal comes that waits for nothing.
AT_ONCE = 1.0


@pytest.fixture(scope="module", params=matrix(SERVERS, "asgi"))
def one(request: pytest.FixtureRequest) -> Iterator[Service]:
    """A service with one replica."""
    with host(request.param, routes="model", unresponsive_after=UNRESPONSIVE_AFTER) as service:
        yield service


@pytest.fixture(scope="module", params=matrix(SERVERS, "gevent"))
def two(request: pytest.FixtureRequest) -> Iterator[Service]:
    """A service with two replicas, both of them ready."""
    limits = {"replicas": 2, "unresponsive_after": UNRESPONSIVE_AFTER}
    with host(request.param, routes="model", **limits) as service:
        wait_until(lambda: states(service) == ["ready", "ready"])
        yield service


def states(service: Service) -> list[str]:
    return [replica["state"] for replica in replicas(service, "model")]


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Stop a process until the block ends."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_the_others_take_the_calls_of_a_frozen_replica_until_it_is_back(two: Service) -> None:
    with Load(two, CLIENTS, sleep=0.002).running() as load:
        load.wait_for(FURTHER)
        pid = load.answers[-1][1]["pid"]
        with frozen(pid):
            wait_until(lambda: load.failures or "unresponsive" in states(two))
            since = len(load.answers)
            load.wait_for(FURTHER)
            meanwhile = {answer["pid"] for _, answer in load.answers[since + CLIENTS : since + FURTHER]}
            ready = two.status("/readyz")
            shown = metric(two, "model_serving_runner_replicas", state="unresponsive")
        wait_until(lambda: states(two) == ["ready", "ready"])
        since = len(load.answers)
        wait_until(lambda: pid in {answer["pid"] for _, answer in load.answers[since:]} or load.failures)

    assert load.failures == []
    assert pid not in meanwhile
    assert (ready, shown) == (200, 1)
    assert [replica["restarts"] for replica in replicas(two, "model")] == [0, 0]


def test_a_call_that_holds_the_interpreter_is_answered_and_those_behind_it_elsewhere(two: Service) -> None:
    held = Asking(two, "/model", hold=4 * UNRESPONSIVE_AFTER)
    with Load(two, CLIENTS, sleep=0.002).running() as load:
        wait_until(lambda: load.failures or "unresponsive" in states(two))
        since = len(load.answers)
        load.wait_for(FURTHER)
        others = {found["pid"] for _, found in load.answers[since + CLIENTS : since + FURTHER]}
        was_over = held.is_over()
        answer = held.answer()
        wait_until(lambda: states(two) == ["ready", "ready"])

    assert not was_over
    assert answer.status == 200
    assert answer.json()["pid"] not in others
    assert load.failures == []


def test_a_replica_that_is_busy_for_less_than_the_limit_stays_ready(one: Service) -> None:
    log = len(one.log())
    answer = Asking(one, "/model", hold=UNRESPONSIVE_AFTER / 3).answer()

    assert answer.status == 200
    assert "answered no heartbeat" not in one.log()[log:]


def test_calls_are_answered_while_the_supervisor_is_frozen(one: Service) -> None:
    log = len(one.log())
    with frozen(supervisor(one)), Load(one, CLIENTS).running() as load:
        load.wait_for(FURTHER)
        until = time.monotonic() + 2 * UNRESPONSIVE_AFTER
        wait_until(lambda: time.monotonic() > until or load.failures)
        load.wait_for(FURTHER)
    with Load(one, CLIENTS).running() as after:
        after.wait_for(FURTHER)

    assert load.failures == after.failures == []
    assert "answered no heartbeat" not in one.log()[log:]


def test_calls_are_refused_at_once_while_all_replicas_are_frozen(one: Service, tmp_path: Path) -> None:
    pid = model_pid(one)
    with gated(one, tmp_path / "first") as first:
        queued = [Asking(one, "/model", text=str(number)) for number in range(QUEUED)]
        one.wait_until(lambda: replicas(one, "model")[0]["waiting"] == QUEUED)
        with frozen(pid):
            given_back = [asking.answer() for asking in queued]
            readiness = ask(one.port, get("/readyz"))
            since = time.monotonic()
            refused = ask(one.port, post({}, path="/model"))
            took = time.monotonic() - since
            stays = not first.is_over()
        one.wait_until(lambda: one.status("/readyz") == 200)
    answers = [first.answer(), ask(one.port, post({}, path="/model"))]

    assert [(answer.status, answer.json()["code"]) for answer in (*given_back, refused)] == [
        (503, "unavailable")
    ] * (QUEUED + 1)
    assert all("retry-after" in answer.headers for answer in (*given_back, refused))
    assert took < AT_ONCE
    assert readiness.status == 503
    assert readiness.json()["error"] == "Not ready yet: model\nmodel, replica 0: unresponsive"
    assert stays
    assert [(answer.status, answer.json()["pid"]) for answer in answers] == [(200, pid)] * 2


@full
def test_a_frozen_replica_is_killed_and_replaced_where_a_time_is_given() -> None:
    limits = {"unresponsive_after": UNRESPONSIVE_AFTER, "kill_after": 2 * UNRESPONSIVE_AFTER}
    with host("gevent", routes="model", **limits) as service:
        pid = model_pid(service)
        os.kill(pid, signal.SIGSTOP)
        service.wait_until(lambda: replicas(service, "model")[0]["restarts"] == 1)
        service.wait_until(lambda: service.status("/readyz") == 200)
        new = model_pid(service)
        service.wait_until(lambda: pid not in processes(service))
        log = service.log()

    assert new != pid
    assert "was killed: it answered no heartbeat for 3 seconds" in log


@full
def test_a_call_that_holds_the_interpreter_for_ever_fails_alone_where_a_time_is_given() -> None:
    limits = {"unresponsive_after": UNRESPONSIVE_AFTER, "kill_after": 2 * UNRESPONSIVE_AFTER}
    with host("asgi", routes="model", **limits) as service:
        answer = Asking(service, "/model", hold=600).answer()
        service.wait_until(lambda: service.status("/readyz") == 200)
        after = ask(service.port, post({}, path="/model"))
        restarts = replicas(service, "model")[0]["restarts"]

    assert (answer.status, answer.json()["code"]) == (500, "internal_error")
    assert after.status == 200
    assert restarts == 2


@pytest.mark.parametrize(
    ("server", "frozen_one"),
    matrix(
        [*((server, model_pid) for server in SERVERS), ("gthread", supervisor)],
        ("gthread", model_pid),
        ("gthread", supervisor),
        rows=True,
    ),
)
def test_a_service_with_a_frozen_process_ends_in_time(
    server: str, frozen_one: Callable[[Service], int]
) -> None:
    with host(server, routes="model") as service:
        os.kill(frozen_one(service), signal.SIGSTOP)
        service.process.terminate()
        service.process.wait(30)

        wait_until(lambda: not processes(service), LEAVING_SECONDS + MARGIN)


@pytest.mark.parametrize("worker_class", matrix([*SERVERS, "sync"], "asgi", "gthread"))
def test_a_stop_waits_no_longer_than_it_may_for_a_call_that_a_frozen_replica_runs(
    worker_class: str, tmp_path: Path
) -> None:
    args = ("--graceful-timeout", str(GRACEFUL_SECONDS))
    env = {"ROUTES": "model"}
    with gone_in_the_end(serve(f"{APP}()", worker_class=worker_class, args=args, env=env)) as service:
        service.wait_until(lambda: service.status("/readyz") == 200)
        pid = model_pid(service)
        with gated(service, tmp_path / "gate") as running:
            os.kill(pid, signal.SIGSTOP)
            since = time.monotonic()
            service.process.terminate()
            service.process.wait(30)
            wait_until(lambda: not processes(service), LEAVING_SECONDS + MARGIN)
            took = time.monotonic() - since
            answer = running.answer()

    assert took < GRACEFUL_SECONDS + LEAVING_SECONDS + MARGIN
    assert answer is None or (answer.status, answer.json()["code"]) == (503, "unavailable")
