"""What a job costs in PostgreSQL, in statements that wait for each other, and how two changes of it meet."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from msgspec.structs import replace

from aylien_model_serving.jobs import lookups
from aylien_model_serving.jobs.errors import JobChanged
from aylien_model_serving.jobs.job import JobRecord
from aylien_model_serving.jobs.opening import open_store
from aylien_model_serving.jobs.postgres.bodies import PART
from aylien_model_serving.jobs.postgres.opened_database import open_database
from aylien_model_serving.jobs.postgres.statements import Statements
from aylien_model_serving.jobs.store import Store
from tests.jobs.stores import LEASE, NOW, REPLY, claim, claimed_id, enqueue, get


@pytest.fixture
def store(postgres_url: str) -> Iterator[Store]:
    store = open_store(postgres_url)
    yield store
    store.close()


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the statements that are run from here on."""
    found: list[str] = []
    execute = Statements._execute

    def noting(self: Statements, statement: str, values: Any, **options: Any) -> Any:
        found.append(statement)
        return execute(self, statement, values, **options)

    monkeypatch.setattr(Statements, "_execute", noting)
    return found


def test_a_job_of_a_long_queue_is_five_statements_while_one_follows_the_other(
    store: Store, statements: list[str]
) -> None:
    enqueue(store, queue_size=1000)  # which counts the bytes that are kept
    claim(store)

    statements.clear()
    job_id = enqueue(store, queue_size=1000)
    assert len(statements) == 1
    claim(store)
    assert len(statements) == 3
    store.finish(job_id, "me", REPLY, b"null", NOW)
    assert len(statements) == 5


def test_a_job_is_kept_whose_notification_fails(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    execute = psycopg.Connection.execute

    def failing(self: psycopg.Connection, statement: Any, *arguments: Any, **options: Any) -> Any:
        if "pg_notify" in statement:
            raise psycopg.OperationalError("the connection is gone")
        return execute(self, statement, *arguments, **options)

    monkeypatch.setattr(psycopg.Connection, "execute", failing)

    job_id = enqueue(store)

    assert claimed_id(store) == job_id


def test_a_job_of_a_short_queue_is_added_with_the_lock_of_the_queue(
    store: Store, statements: list[str]
) -> None:
    enqueue(store, queue_size=9)
    statements.clear()

    enqueue(store, queue_size=9)

    assert ["advisory" in statement for statement in statements] == [True, False]


def test_a_job_that_another_one_changes_meanwhile_is_changed_after_it(
    store: Store, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = enqueue(store)
    claim(store)
    of_owner = lookups.of_owner
    finds: list[JobRecord] = []

    def found_before_a_cancellation(*arguments: Any) -> JobRecord:
        finds.append(of_owner(*arguments))
        if len(finds) == 1:
            other = open_store(postgres_url)
            other.cancel("s", job_id, NOW)
            other.close()
        return finds[-1]

    monkeypatch.setattr(lookups, "of_owner", found_before_a_cancellation)

    assert store.heartbeat(job_id, "me", LEASE, NOW + 1)  # it is to stop
    assert [job.cancel_requested for job in finds] == [False, True]
    assert get(store, job_id).lease_until == NOW + 1 + LEASE


def test_what_is_found_without_a_hold_is_not_saved_once_it_is_another_version(
    store: Store, postgres_url: str
) -> None:
    job_id = enqueue(store)
    jobs = open_database(postgres_url)

    with jobs.write(holding=False) as repository:
        found = repository.next_ready("s", ["r"])
        assert found is not None
        assert claimed_id(store, owner="another") == job_id
        with pytest.raises(JobChanged):
            repository.save(found.job, replace(found.job, status="processing", lease_owner="me"))
    jobs.close()

    assert get(store, job_id).lease_owner == "another"


@pytest.mark.parametrize("size", [PART - 1, PART, PART + 1, 2 * PART])
def test_calls_and_replies_around_the_size_of_a_part_come_back_whole(store: Store, size: int) -> None:
    call, reply = b"c" * size, b"r" * size
    job_id = enqueue(store, call=call)

    found = claim(store)
    assert found is not None
    store.finish(job_id, "me", REPLY, reply, NOW)

    assert found.call == call
    assert store.result("s", job_id) == (REPLY, reply)


def test_an_outlook_of_a_busy_route_is_renewed_before_a_pause_can_be_over(store: Store) -> None:
    failing, other = enqueue(store, retries=1), enqueue(store)
    assert claimed_id(store) == failing
    store.fail(failing, "me", "no", NOW, again=True)
    assert claimed_id(store) == other

    assert claimed_id(store, NOW + 1.0) == failing
