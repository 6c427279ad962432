"""Hundreds of jobs on two machines, while anything is killed: each is kept once and ends once."""

import itertools
import json
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.selection import full, longer
from tests.services.hosts import replicas, supervisor, wait_until
from tests.services.machines import machine, pull_the_plug
from tests.services.postgres_server import PostgresServer, postgres_server
from tests.services.raw_http import connect, post
from tests.services.serving import Service
from tests.services.test_postgres_jobs import rows

pytestmark = pytest.mark.processes

JOBS, PRODUCERS = int(longer(600, 2000)), 4

#: Kills of the database among those below: it may forget a claim then, and no end.
CRASHES = 2

#: What is killed, in any order; the last one is always a machine.
KILLS = ["replica"] * 4 + ["worker"] * 2 + ["supervisor"] + ["database"] * CRASHES

#: Seconds for which producers, and jobs after them, may go on.
PATIENCE = longer(120, 300)


class Producer(threading.Thread):
    """Has jobs kept by whichever machine answers, with the same key until one has."""

    def __init__(self, ports: list[int], number: int, diary: Path) -> None:
        super().__init__(daemon=True)
        self._ports = itertools.cycle(ports)
        self._number = number
        self._diary = diary
        self.ids: dict[str, str] = {}

    def run(self) -> None:
        for number in range(JOBS // PRODUCERS):
            key = f"{self._number}-{number}"
            fields = {"text": key, "sleep": 0.01, "diary": str(self._diary)}
            self.ids[key] = wait_until(partial(self._ask, key, fields), PATIENCE)

    def _ask(self, key: str, fields: dict[str, Any]) -> str | None:
        try:
            with connect(next(self._ports)) as connection:
                answer = connection.ask(post(fields, f"Idempotency-Key: {key}", path="/work"))
        except OSError:
            return None
        return str(answer.json()["job_id"]) if answer is not None and answer.status == 202 else None


class Killer:
    """Kills one thing after the other, spread over the jobs.

    Args:
        services: of the machines.
        postgres: their database.
        chance: chooses what and when.
    """

    def __init__(self, services: list[Service], postgres: PostgresServer, chance: random.Random) -> None:
        self._services = services
        self._postgres = postgres
        self._chance = chance
        self._deeds: dict[str, Callable[[Service], None]] = {
            "replica": lambda service: self._kill_one_of(partial(living, service)),
            "worker": lambda service: self._kill_one_of(service.workers),
            "supervisor": lambda service: self._kill_one_of(lambda: [supervisor(service)]),
            "database": lambda service: self._crash_database(),
        }

    def kill(self, what: str) -> None:
        self._deeds[what](self._chance.choice(self._services))

    def _kill_one_of(self, find: Callable[[], list[int]]) -> None:
        pid = self._chance.choice(wait_until(find, PATIENCE))
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def _crash_database(self) -> None:
        self._postgres.kill()
        self._postgres.start()


@full
@pytest.mark.timeout(900)
def test_hundreds_of_jobs_survive_kills_of_anything(tmp_path: Path) -> None:
    chance = random.Random(7)
    diary = tmp_path / "diary"
    diary.touch()
    kills = chance.sample(KILLS, len(KILLS))
    often = {"retries": len(KILLS), "replicas": 2}
    with (
        postgres_server() as postgres,
        machine("first", url := postgres.new_database(), "work", **often) as first,
        machine("second", url, "work", **often) as second,
    ):
        began = time.monotonic()
        killer = Killer([first, second], postgres, chance)
        producers = [Producer([first.port, second.port], number, diary) for number in range(PRODUCERS)]
        for producer in producers:
            producer.start()
        for number, what in enumerate(kills):
            after(diary, JOBS * (number + chance.random()) / (len(kills) + 1))
            killer.kill(what)
        after(diary, JOBS * len(kills) / (len(kills) + 1))
        pull_the_plug(first)
        for producer in producers:
            producer.join(PATIENCE)
        wait_until(lambda: all(row["finished_at"] is not None for row in rows(url)), PATIENCE)
        kept = rows(url)
        seconds = time.monotonic() - began

    ids = {job_id: key for producer in producers for key, job_id in producer.ids.items()}
    assert [row["error"] for row in kept if row["status"] != "finished"] == []
    assert {row["id"] for row in kept} == set(ids)
    assert len(ids) == JOBS
    runs = Counter(diary.read_text().split())
    assert runs.keys() == set(ids.values())
    assert all(runs[ids[row["id"]]] <= row["attempts"] + CRASHES for row in kept)
    sys.stdout.write(
        f"{JOBS} jobs, {len(kills) + 1} kills, {seconds:.0f} s: all finished, {runs.total() - JOBS} ran again"
    )


def after(diary: Path, runs: float) -> None:
    """Return once handlers have begun so many times."""
    wait_until(lambda: len(diary.read_text().splitlines()) >= runs, PATIENCE)


def living(service: Service) -> list[int]:
    """Return the replicas of a service that take jobs; none while it does not answer."""
    try:
        return [each["pid"] for each in replicas(service, "work") if each["state"] == "ready"]
    except (OSError, AssertionError, json.JSONDecodeError):
        return []
