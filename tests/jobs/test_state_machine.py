"""Whatever happens in whatever order, the store does what the model does, and a job ends once."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from aylien_model_serving.errors import IdempotencyKeyReused
from aylien_model_serving.jobs.errors import LeaseLost, QueueFull
from aylien_model_serving.jobs.postgres.opened_database import open_database
from aylien_model_serving.jobs.sqlite.repository import open_memory
from aylien_model_serving.jobs.states import IllegalTransition
from aylien_model_serving.jobs.store import Store
from aylien_model_serving.jobs.unit_of_work import UnitOfWork
from tests.jobs.store_model import KEEP, REUSED, RUNNING, Model, ModelJob
from tests.jobs.stores import LAST_CHANCE, LEASE, NOW, REPLY, new_job
from tests.selection import examples

ROUTES = ("a", "b")
OWNERS = ("one", "two")
places = st.integers(0, 30)
strangers = st.integers(0, 9).map(lambda number: number == 9)

ENDS: dict[str, Callable[..., object]] = {
    "finished": lambda store, job_id, owner, now: store.finish(job_id, owner, REPLY, b"body", now),
    "failed": lambda store, job_id, owner, now: store.fail(job_id, owner, "why", now, again=False),
    "cancelled": lambda store, job_id, owner, now: store.cancelled(job_id, owner, now),
}


class Machine(RuleBasedStateMachine):
    """Two owners work on the jobs of one service, beside a service of which nothing may ever change."""

    @initialize()
    def open(self) -> None:
        self.store = Store(self.unit_of_work(), lambda: self.now)
        self.model = Model()
        self.now = NOW
        self.store.enqueue(new_job(id="f" * 32, service="another", route="a"), NOW)

    def unit_of_work(self) -> UnitOfWork:
        """Return an empty place for jobs."""
        return open_memory()

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()

    def any_job(self, place: int) -> ModelJob:
        return self.model.jobs[place % len(self.model.jobs)]

    def work(
        self,
        place: int,
        stranger: bool,
        act: Callable[[Store, str, str], Any],
        refused_in: tuple[str, ...] = (),
    ) -> ModelJob | None:
        """Let its owner, or one who is not, do something to a job; return the job if that was right."""
        running = [job for job in self.model.jobs if job.owner]
        job = running[place % len(running)] if running else self.any_job(place)
        if stranger or not job.owner:
            other = OWNERS[job.owner == OWNERS[0]]
            with pytest.raises(LeaseLost):
                act(self.store, job.id, other)
            return None
        owner = job.owner
        if job.status in refused_in:
            with pytest.raises(IllegalTransition):
                act(self.store, job.id, owner)
            return None
        is_to_stop = act(self.store, job.id, owner)
        assert is_to_stop is job.stop or not isinstance(is_to_stop, bool)
        return job

    @rule(
        route=st.sampled_from(ROUTES),
        priority=st.integers(-1, 1),
        retries=st.integers(0, 2),
        key=st.sampled_from([None, "k"]),
        queue_size=st.integers(1, 6),
    )
    def enqueue(self, route: str, priority: int, retries: int, key: str | None, queue_size: int) -> None:
        new = new_job(
            route=route, priority=priority, retries=retries, idempotency_key=key, queue_size=queue_size
        )
        kept = self.model.add(ModelJob(new.id, route, priority, retries, key), queue_size, self.now)
        if kept in (None, REUSED):
            with pytest.raises(QueueFull if kept is None else IdempotencyKeyReused):
                self.store.enqueue(new, self.now)
        else:
            job, created = self.store.enqueue(new, self.now)
            assert (job.id, created) == (kept, kept == new.id)

    @rule(
        owner=st.sampled_from(OWNERS),
        routes=st.sampled_from([["a", "b"], ["b", "a"], ["a"]]),
        later=st.sampled_from([0.0, LAST_CHANCE, LEASE]),
    )
    def claim(self, owner: str, routes: list[str], later: float) -> None:
        self.now += later
        expected = self.model.claim(routes, owner, self.now)
        found = self.store.claim("s", routes, owner, LEASE, self.now)
        assert (found and found.job.id) == (expected and expected.id)

    @precondition(lambda self: self.model.jobs)
    @rule(place=places, stranger=strangers, fraction=st.floats(0, 1))
    def show_life(self, place: int, stranger: bool, fraction: float) -> None:
        now = self.now
        self.work(place, stranger, lambda store, *it: store.report(*it, fraction, "m", now))
        if job := self.work(place, stranger, lambda store, *it: store.heartbeat(*it, LEASE, now)):
            job.until, job.overdue = now + LEASE, False

    @precondition(lambda self: self.model.jobs)
    @rule(place=places, stranger=strangers)
    def stream(self, place: int, stranger: bool) -> None:
        now = self.now
        if job := self.work(place, stranger, lambda store, *it: store.streaming(*it, now), ("streaming",)):
            job.status = "streaming"

    @precondition(lambda self: self.model.jobs)
    @rule(place=places, stranger=strangers, index=st.integers(0, 3), body=st.binary(max_size=2))
    def add_item(self, place: int, stranger: bool, index: int, body: bytes) -> None:
        if job := self.work(
            place, stranger, lambda store, *it: store.add_item(*it, index, body), ("processing",)
        ):
            job.items[index] = body

    @precondition(lambda self: self.model.jobs)
    @rule(place=places, stranger=strangers, how=st.sampled_from(sorted(ENDS)))
    def end(self, place: int, stranger: bool, how: str) -> None:
        now = self.now
        if job := self.work(place, stranger, lambda store, *it: ENDS[how](store, *it, now)):
            job.end(how, now)

    @precondition(lambda self: self.model.jobs)
    @rule(place=places, stranger=strangers)
    def fail(self, place: int, stranger: bool) -> None:
        now = self.now
        if job := self.work(place, stranger, lambda store, *it: store.fail(*it, "why", now, again=True)):
            if job.attempts <= job.retries:
                job.requeue(now, 2.0 ** (job.attempts - 1))
            else:
                job.end("failed", now)

    @precondition(lambda self: self.model.jobs)
    @rule(place=places, stranger=strangers)
    def release(self, place: int, stranger: bool) -> None:
        now = self.now
        if job := self.work(place, stranger, lambda store, *it: store.release(*it, now)):
            job.attempts -= 1
            job.requeue(now)

    @precondition(lambda self: self.model.jobs)
    @rule(place=places)
    def cancel(self, place: int) -> None:
        job = self.any_job(place)
        if job.status == "queued":
            job.end("cancelled", self.now)
        elif job.status in RUNNING:
            job.stop = True
        self.store.cancel("s", job.id, self.now)

    @rule(seconds=st.sampled_from([0.5, 1.0, 4.0, LEASE, KEEP]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def sweep(self) -> None:
        self.store.sweep(self.now)
        self.model.jobs = [job for job in self.model.jobs if not job.is_expired(self.now)]

    @invariant()
    def store_and_model_agree(self) -> None:
        kept = self.store.page("s", limit=1000)
        shown = [
            (job.id, job.status, job.attempts, job.kills, job.cancel_requested, job.lease_owner)
            for job in kept
        ]
        assert shown == [job.seen for job in reversed(self.model.jobs) if not job.is_expired(self.now)]
        assert all(job.ends <= 1 for job in self.model.jobs)
        for job in self.model.jobs:
            self.check_bodies_of(job)
        counts = self.store.counts("s")
        found = {(route, status): count for route in counts for status, count in counts[route].items()}
        assert found == Counter(
            (job.route, job.status) for job in self.model.jobs if not job.is_expired(self.now)
        )
        due = self.store.next_due("s", ROUTES, self.now)
        assert (due is not None and due <= self.now) == self.model.has_due(self.now)
        assert [job.status for job in self.store.page("another", limit=9)] == ["queued"]

    def check_bodies_of(self, job: ModelJob) -> None:
        is_seen = not job.is_expired(self.now)
        assert (self.store.get("s", job.id) is not None) == is_seen
        items = self.store.items("s", job.id, -1, 9)
        assert items == (sorted(job.items.items()) if is_seen else [])
        result = self.store.result("s", job.id)
        assert result == ((REPLY, b"body") if is_seen and job.status == "finished" else None)


class PostgresMachine(Machine):
    """The same on a database, which is emptied each time."""

    database: UnitOfWork

    def unit_of_work(self) -> UnitOfWork:
        with self.database.write() as repository:
            for service in ("s", "another"):
                for job in repository.page(service, None, None, None, 10_000, None, 0.0):
                    repository.remove(job)
        return self.database


@pytest.fixture
def on_postgres(postgres_url: str) -> Iterator[None]:
    PostgresMachine.database = open_database(postgres_url)
    yield
    PostgresMachine.database.close()


Machine.TestCase.settings = settings(max_examples=examples(60), stateful_step_count=60)
PostgresMachine.TestCase.settings = settings(max_examples=examples(12), stateful_step_count=50)
test_the_store_does_what_the_model_does = Machine.TestCase
test_the_store_does_the_same_on_postgres = pytest.mark.usefixtures("on_postgres")(PostgresMachine.TestCase)
