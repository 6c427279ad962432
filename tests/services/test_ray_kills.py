"""Replicas, a node and the gateway of a model on Ray are killed under load: no call fails, and few run twice.

Of handlers that run one call at a time: what a replica runs when it is lost runs again, and nothing else.
Where the gateway is lost, a replica may begin one more of its calls before it notices.
"""

import itertools
import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.selection import full
from tests.services.hosts import Load, processes
from tests.services.ray_cluster import SECOND, RayCluster, ray_cluster
from tests.services.ray_services import ONE, deploy, serving
from tests.services.serving import Service

pytestmark = [pytest.mark.processes, full, pytest.mark.timeout(400)]

CLIENTS, KILLS = 8, 3

#: Seconds that a call takes: many times what a replica needs to notice that the sender of its calls is gone.
_RUN_SECONDS = 0.3


class CountedLoad(Load):
    """Calls by names, of which each run is noted in a diary."""

    def __init__(self, service: Service, diary: Path) -> None:
        super().__init__(service, CLIENTS, seconds=_RUN_SECONDS, diary=str(diary))
        self._numbers = itertools.count()
        self._diary = diary

    def next_fields(self) -> dict[str, Any]:
        return {**super().next_fields(), "name": f"call-{next(self._numbers)}"}

    def extra_runs(self) -> int:
        """Return how often a call ran that had run before, once the load has ended."""
        runs = Counter(self._diary.read_text().split())
        assert len(runs) == len(self.answers)
        assert max(runs.values()) <= 2
        return runs.total() - len(runs)


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with ray_cluster() as cluster:
        yield cluster


@contextmanager
def loaded(cluster: RayCluster, folder: Path, **runner: object) -> Iterator[tuple[Service, CountedLoad]]:
    """Have clients call a model that runs one call at a time, until the block ends."""
    env = {"RUNNER": json.dumps(runner), "THREADS": "1"}
    deploy(cluster, ONE, "1", **env)
    with (
        serving(cluster, ONE, "1", **env) as service,
        CountedLoad(service, folder / "diary").running() as load,
    ):
        load.wait_for(2 * CLIENTS)
        yield service, load


def test_a_replica_that_is_killed_under_load_fails_no_call_and_has_one_run_again(
    cluster: RayCluster, tmp_path: Path
) -> None:
    with loaded(cluster, tmp_path, replicas=2) as (_, load):
        for _ in range(KILLS):
            os.kill(load.answers[-1][1]["pid"], signal.SIGKILL)
            load.wait_for(4 * CLIENTS)

    assert load.failures == []
    assert load.extra_runs() <= KILLS


def test_a_gateway_that_is_killed_under_load_fails_no_call_and_has_few_run_again(
    cluster: RayCluster, tmp_path: Path
) -> None:
    replicas = 2
    with loaded(cluster, tmp_path, replicas=replicas) as (service, load):
        for _ in range(KILLS):
            os.kill(gateway(service), signal.SIGKILL)
            load.wait_for(4 * CLIENTS)

    assert load.failures == []
    assert load.extra_runs() <= KILLS * replicas * 2


def gateway(service: Service) -> int:
    [pid] = [pid for pid, command in processes(service).items() if "gateway.main" in command]
    return pid


def test_a_node_that_is_killed_under_load_fails_no_call_and_has_one_for_each_replica_run_again(
    tmp_path: Path,
) -> None:
    with ray_cluster(cpus=2) as cluster:
        cluster.add(SECOND, 2)
        with loaded(cluster, tmp_path, replicas=2, num_cpus=1) as (_, load):
            load.wait_for(2 * CLIENTS)
            cluster.nodes[SECOND].kill()
            load.wait_for(4 * CLIENTS)

    assert load.failures == []
    assert load.extra_runs() <= 2
