"""Names of lease owners: whether a process is gone is known of this machine's processes alone."""

import subprocess
import sys

import pytest

from aylien_model_serving.jobs import owner_names
from aylien_model_serving.jobs.store import Store
from aylien_model_serving.jobs.worker.lease import JobLeases
from aylien_model_serving.process import owner
from tests.jobs.stores import NOW, claim, enqueue, get

CHILD = "from aylien_model_serving.jobs import owner_names; print(owner_names.name())"


def name_of_a_dead_process() -> str:
    return subprocess.run(
        [sys.executable, "-c", CHILD], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_a_process_that_is_there_is_not_gone() -> None:
    assert not owner_names.is_gone(owner_names.name())


def test_a_process_that_has_ended_is_gone() -> None:
    assert owner_names.is_gone(name_of_a_dead_process())


def test_two_names_of_one_process_differ() -> None:
    assert owner_names.name() != owner_names.name()


@pytest.mark.parametrize("name", ["", "me", "a b c", "elsewhere:1:1 999999-1 00", " 1-1 00"])
def test_nothing_is_known_of_processes_elsewhere(name: str) -> None:
    assert not owner_names.is_gone(name)


def test_nothing_is_known_of_another_boot_or_another_namespace_of_process_ids() -> None:
    host, boot, namespace = owner_names._machine().rsplit(":", 2)
    _, process, nonce = name_of_a_dead_process().rsplit(" ", 2)

    assert owner_names.is_gone(f"{host}:{boot}:{namespace} {process} {nonce}")
    assert not owner_names.is_gone(f"{host}:another:{namespace} {process} {nonce}")
    assert not owner_names.is_gone(f"{host}:{boot}:1 {process} {nonce}")


def test_an_id_that_another_process_got_does_not_hide_the_end() -> None:
    machine, process, nonce = owner_names.name().rsplit(" ", 2)
    pid, _, started = process.partition("-")

    assert owner.is_alive(process)
    assert owner_names.is_gone(f"{machine} {pid}-{started[::-1]}0 {nonce}")


def test_jobs_of_dead_processes_are_reclaimed_and_others_are_left(store: Store) -> None:
    owners = {"dead": name_of_a_dead_process(), "alive": owner_names.name(), "elsewhere": "elsewhere 1-1 00"}
    ids = {}
    for kind, name in owners.items():
        ids[kind] = enqueue(store)
        claim(store, owner=name)
    other_route = enqueue(store, route="other")
    claim(store, NOW, owners["dead"], "s", "other")

    JobLeases(store, "s", ["r"]).reclaim()

    found = {kind: get(store, job_id) for kind, job_id in ids.items()}
    assert (found["dead"].status, found["dead"].kills, found["dead"].lease_owner) == ("queued", 1, None)
    assert {found[kind].status for kind in ("alive", "elsewhere")} == {"processing"}
    assert get(store, other_route).status == "processing"


def test_a_streaming_job_is_reclaimed_too(store: Store) -> None:
    dead = name_of_a_dead_process()
    job_id = enqueue(store)
    claim(store, owner=dead)
    store.streaming(job_id, dead, NOW)

    JobLeases(store, "s", ["r"]).reclaim()

    assert get(store, job_id).status == "queued"
