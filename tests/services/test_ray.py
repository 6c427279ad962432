"""Models on a Ray cluster, which the test starts: calls of all kinds, roll-outs, and what dies."""

import json
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest

from tests.selection import full
from tests.services.hosts import Load, processes, wait_until
from tests.services.ray_cluster import HEAD, RayCluster, ray_cluster
from tests.services.ray_services import ONE, deploy, serving
from tests.services.redis_server import redis_server
from tests.services.serving import Service

pytestmark = [pytest.mark.processes, full, pytest.mark.timeout(400)]

CLIENTS = 8


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with ray_cluster() as cluster:
        yield cluster


class Answer:
    """What a client got."""

    def __init__(self, service: Service, path: str, fields: dict[str, Any]) -> None:
        connection = HTTPConnection("127.0.0.1", service.port, timeout=60)
        connection.request("POST", path, json.dumps(fields), {"Content-Type": "application/json"})
        response = connection.getresponse()
        self.status, self.headers = response.status, response.headers
        self.body = response.read()
        connection.close()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def test_calls_of_all_kinds_are_answered_as_by_replicas_of_this_machine(cluster: RayCluster) -> None:
    told = deploy(cluster)
    with serving(cluster) as service:
        double = Answer(service, "/double", {"n": 4})
        refused = Answer(service, "/double", {"n": "x"})
        late = Answer(service, "/slow", {"seconds": 5})
        items = Answer(service, "/count", {"n": 100})
        unhinted = Answer(service, "/unhinted", {"n": 3})
        composed = Answer(service, "/composed", {"n": [1, 2, 3]})
        own = processes(service)
        loaded = {pid for pid in own if "/ray/" in _mapped(pid)}

    assert "Doubler 1 takes calls as tests:Doubler:1" in told
    assert (double.json["n"], double.json["pid"] in own) == (8, False)
    assert (refused.status, refused.json["code"]) == (400, "schema_mismatch")
    assert refused.json["request_id"] == refused.headers["X-Request-ID"]
    assert late.status == 504
    assert items.body.count(b"\n") == 100
    assert [json.loads(line) for line in unhinted.body.splitlines()] == [{"number": n} for n in range(3)]
    assert composed.json == {"found": [2, 4, 6]}
    assert loaded == {pid for pid, command in own.items() if "gateway.main" in command}


def _mapped(pid: int) -> str:
    with open(f"/proc/{pid}/maps") as maps:
        return maps.read()


def test_a_version_is_rolled_out_beside_the_one_before_without_a_failed_call(cluster: RayCluster) -> None:
    runner = json.dumps({"env": {"OF_THE_MODEL": "old"}})
    deploy(cluster, ONE, "1", RUNNER=runner)
    with serving(cluster, ONE, "1", RUNNER=runner) as old:
        newer = json.dumps({"env": {"OF_THE_MODEL": "new"}})
        with Load(old, CLIENTS).running() as load:
            deploy(cluster, ONE, "2", RUNNER=newer)
            with serving(cluster, ONE, "2", RUNNER=newer) as new, Load(new, CLIENTS).running() as later:
                later.wait_for(2 * CLIENTS)
                load.wait_for(2 * CLIENTS)
        env = {"MODEL_SERVING_SERVICE_NAME": "tests", "RUNNER": newer}
        told = cluster.command("status", ONE, version="2", env=env)
    gone = cluster.command("delete", "--others", ONE, version="2", env=env)

    assert (load.failures, later.failures) == ([], [])
    assert {found["version"] for _, found in load.answers} == {"old"}
    assert {found["version"] for _, found in later.answers} == {"new"}
    assert sorted(line.split()[0] for line in told.splitlines()) == ["tests:model:1", "tests:model:2"]
    assert gone == "tests:model:1 is deleted\n"


def test_a_version_that_is_not_deployed_is_a_503_until_it_is(cluster: RayCluster) -> None:
    with serving(cluster, ONE, "7", ready=False, RUNNER="{}") as service:
        service.wait_until(lambda: "run `model-serving ray deploy" in service.log())
        refused = Answer(service, "/model", {})
        beside = Answer(service, "/local", {"n": 1})
        deploy(cluster, ONE, "7", RUNNER="{}")
        service.wait_until(lambda: Answer(service, "/model", {}).status == 200)

    assert (refused.status, beside.status) == (503, 200)
    assert refused.headers["Retry-After"]


def test_a_call_that_ends_its_replicas_is_a_500_and_harms_no_other(cluster: RayCluster) -> None:
    deploy(cluster, ONE, "1", RUNNER=json.dumps({"replicas": 2}))
    started = serving(cluster, ONE, "1", RUNNER=json.dumps({"replicas": 2}))
    with started as service, Load(service, CLIENTS).running() as load:
        load.wait_for(CLIENTS)
        poison = Answer(service, "/model", {"ends": True})
        load.wait_for(2 * CLIENTS)

    assert poison.status == 500
    assert load.failures == []


def test_replicas_come_with_the_load_and_go_without_it() -> None:
    runner = {"replicas": [0, 3], "target_ongoing": 2, "upscale_delay": 0.5, "downscale_delay": 3}
    env = {"RUNNER": json.dumps(runner)}
    with ray_cluster() as cluster:
        deploy(cluster, ONE, "1", **env)
        with serving(cluster, ONE, "1", **env) as service:
            wait_until(lambda: replicas_of(cluster, env) == 0, 120)
            with Load(service, CLIENTS, seconds=0.1).running() as load:
                wait_until(lambda: replicas_of(cluster, env) == 3, 120)
                load.wait_for(2 * CLIENTS)
            pids = {found["pid"] for _, found in load.answers}
            wait_until(lambda: replicas_of(cluster, env) == 0, 120)
            again = Answer(service, "/model", {})

    assert load.failures == []
    assert len(pids) >= 3
    assert again.status == 200


def replicas_of(cluster: RayCluster, env: dict[str, str]) -> int:
    told = cluster.command("status", "--json", ONE, env={"MODEL_SERVING_SERVICE_NAME": "tests", **env})
    [application] = json.loads(told)["applications"]
    return int(application["replicas"])


def test_a_head_that_is_gone_is_a_503_within_two_seconds_until_it_is_back() -> None:
    env = {"RUNNER": "{}"}
    with ray_cluster() as cluster:
        deploy(cluster, ONE, "1", **env)
        with serving(cluster, ONE, "1", **env) as service:
            assert Answer(service, "/model", {}).status == 200
            cluster.nodes[HEAD].kill()
            began = time.monotonic()
            refused = Answer(service, "/model", {"seconds": 0.1})
            seconds = [time.monotonic() - began]
            while time.monotonic() < began + 65:  # longer than Ray's own client stays
                asked = time.monotonic()
                statuses = Answer(service, "/local", {"n": 1}).status, Answer(service, "/model", {}).status
                assert statuses == (200, 503)
                seconds.append(time.monotonic() - asked)
                time.sleep(0.5)
            readiness = service.status("/readyz")
            cluster.start_head(4)
            deploy(cluster, ONE, "1", **env)
            service.wait_until(lambda: Answer(service, "/model", {}).status == 200)

    assert refused.status == 503
    assert refused.headers["Retry-After"]
    assert max(seconds) < 2
    assert readiness == 200


def test_a_head_with_a_redis_comes_back_with_all_applications() -> None:
    env = {"RUNNER": "{}"}
    with redis_server() as redis, ray_cluster(redis=redis.port) as cluster:
        deploy(cluster, ONE, "1", **env)
        with serving(cluster, ONE, "1", **env) as service:
            assert Answer(service, "/model", {}).status == 200
            cluster.nodes[HEAD].kill()
            service.wait_until(lambda: Answer(service, "/model", {}).status == 503)
            cluster.start_head(4)
            service.wait_until(lambda: Answer(service, "/model", {}).status == 200)
