"""Replicas that are replaced, unloaded and added while a service runs: no request fails."""

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from tests.selection import full, matrix
from tests.services.hosts import Load, gone_in_the_end, metric, processes, replicas
from tests.services.raw_http import ask, post
from tests.services.serving import Service, serve

pytestmark = pytest.mark.processes

CLIENTS = 4


@contextmanager
def scaled(server: str = "asgi", workers: int = 1, **options: Any) -> Iterator[Service]:
    """Serve the model with options of its runner, once it is ready and until the block ends."""
    env = {"RUNNER": json.dumps(options)}
    started = serve("tests.services.scaled_apps:scaled()", worker_class=server, workers=workers, env=env)
    with gone_in_the_end(started) as service:
        service.wait_until(lambda: service.status("/readyz") == 200)
        yield service


def test_replicas_that_have_answered_enough_are_replaced_without_a_failed_request() -> None:
    with scaled(recycle_after={"calls": 20}, env={"OF_THE_MODEL": "7"}, nice=3) as service:
        with Load(service, CLIENTS).running() as load:
            service.wait_until(lambda: load.failures or len({found["pid"] for _, found in load.answers}) >= 3)
        pids = [found["pid"] for _, found in load.answers]
        told = {(found["nice"] - os.nice(0), found["variable"]) for _, found in load.answers}
        service.wait_until(lambda: pids[0] not in processes(service))
    assert load.failures == []
    assert told == {(3, "7")}


@pytest.mark.parametrize("server", matrix(["asgi", "gevent", "gthread"], "asgi"))
def test_a_runner_without_calls_is_unloaded_and_the_next_call_loads_it(server: str) -> None:
    with scaled(server, workers=2, idle=0.5) as service:
        service.wait_until(lambda: states(service) == ["idle"])
        service.wait_until(lambda: not replicas(service, "model")[0]["pid"])
        readiness = service.status("/readyz")
        shown = metric(service, "model_serving_runner_replicas", state="idle")
        with ThreadPoolExecutor(CLIENTS) as clients:
            answers = list(clients.map(lambda _: ask(service.port, post({}, path="/model")), range(CLIENTS)))

    assert (readiness, shown) == (200, 1)
    assert [answer.status for answer in answers] == [200] * CLIENTS


def states(service: Service) -> list[str]:
    return [replica["state"] for replica in replicas(service, "model")]


@full
def test_a_runner_whose_calls_wait_gets_further_replicas() -> None:
    with scaled(replicas=[1, 2], devices=["cpu"]) as service:
        with Load(service, 2 * CLIENTS, seconds=0.1).running() as load:
            service.wait_until(lambda: load.failures or states(service) == ["ready", "ready"])
            load.wait_for(2 * CLIENTS)
        pids = {found["pid"] for _, found in load.answers}

    assert load.failures == []
    assert len(pids) == 2
