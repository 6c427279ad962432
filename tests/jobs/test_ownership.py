"""A file belongs to one service, by its name: others are refused, and the same one comes from anywhere."""

import re
from contextlib import closing
from pathlib import Path
from threading import Thread

import pytest

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.jobs.errors import StoreUnavailable
from aylien_model_serving.jobs.opening import open_store
from aylien_model_serving.jobs.service_identity import ServiceIdentity
from tests.jobs.stores import enqueue, get, raw
from tests.jobs.test_versions import VERSION_1


def owner(path: Path) -> str:
    with raw(path) as db:
        [(service,)] = db.execute("SELECT service FROM owner")
        return str(service)


def test_a_file_belongs_to_the_first_service_that_opens_it(path: Path) -> None:
    open_store(str(path), service=ServiceIdentity("s")).close()

    assert owner(path) == "s"


def test_another_service_is_refused_with_what_to_do(path: Path) -> None:
    with closing(open_store(f"sqlite:///{path}", service=ServiceIdentity("s"))) as store:
        job_id = enqueue(store)

        with pytest.raises(ConfigurationError) as caught:
            open_store(f"sqlite:///{path}", service=ServiceIdentity("t"))

        assert owner(path) == "s"
        assert get(store, job_id).status == "queued"
    message = str(caught.value)
    assert re.match(rf"MODEL_SERVING_JOBS_URL: {path} keeps the jobs of the service 's', .* is 't'", message)
    assert message.endswith("set MODEL_SERVING_SERVICE_NAME=s")


def test_the_same_service_may_be_started_often_and_from_elsewhere(path: Path) -> None:
    with closing(open_store(str(path), service=ServiceIdentity("s"))) as store:
        job_id = enqueue(store)
        with closing(open_store(str(path), service=ServiceIdentity("s"))) as other:
            assert get(other, job_id).status == "queued"
    moved = path.parent.rename(path.parent.with_name("moved")) / path.name

    with closing(open_store(str(moved), service=ServiceIdentity("s"))) as store:
        assert get(store, job_id).status == "queued"


def test_whoever_has_no_name_may_look(path: Path) -> None:
    open_store(str(path)).close()
    open_store(str(path), service=ServiceIdentity("s")).close()
    open_store(str(path)).close()

    assert owner(path) == "s"


def test_a_file_of_an_earlier_version_belongs_to_the_first_service_too(path: Path) -> None:
    path.parent.mkdir()
    with raw(path) as db:
        db.executescript(VERSION_1)

    open_store(str(path), service=ServiceIdentity("s")).close()

    assert owner(path) == "s"


def test_of_two_services_that_come_at_the_same_time_one_is_refused(path: Path) -> None:
    open_store(str(path)).close()
    refused: list[str] = []

    def open_as(service: str) -> None:
        try:
            open_store(str(path), service=ServiceIdentity(service)).close()
        except ConfigurationError:
            refused.append(service)

    threads = [Thread(target=open_as, args=[service]) for service in "st"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [*refused, owner(path)] in (["s", "t"], ["t", "s"])


def test_another_services_file_under_the_name_is_a_503_and_stays_as_it_is(path: Path) -> None:
    other = path.with_name("other.db")
    open_store(str(other), service=ServiceIdentity("t")).close()
    with closing(open_store(str(path), service=ServiceIdentity("s"))) as store:
        other.replace(path)

        with pytest.raises(StoreUnavailable, match="is another's"):
            enqueue(store)

    assert owner(path) == "t"


def test_memory_belongs_to_nobody() -> None:
    stores = [open_store("memory://", service=ServiceIdentity(service)) for service in "st"]

    assert [store.counts("s") for store in stores] == [{}, {}]
    stores[0].close()
