"""Generators that yield a list for each step of a batch, on each worker class, inline and hosted."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import httpx
import pytest

from tests.selection import matrix
from tests.services.serving import Service, serve

pytestmark = pytest.mark.processes

PATHS = ["/inline", "/async", "/native", "/hosted", "/model"]


@pytest.fixture(scope="module", params=matrix(["asgi", "gevent", "gthread", "sync"], "asgi"))
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    app = "tests.services.batch_stream_apps:run_app()"
    args = [] if request.param == "sync" else ["--threads", "8"]
    with serve(app, worker_class=request.param, workers=1, args=args, ready="/readyz") as service:
        yield service


def runs_one_at_a_time(service: Service) -> bool:
    return "Using worker: sync" in service.log()


def spell(service: Service, path: str, word: str, times: int = 1) -> list[Any]:
    answer = service.post(path, json={"word": word, "times": times})
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


@pytest.mark.parametrize("path", PATHS)
def test_a_call_gets_its_items(service: Service, path: str) -> None:
    assert spell(service, path, "ab", times=50) == [1, *"ab" * 50]


@pytest.mark.parametrize("path", PATHS)
def test_calls_share_a_batch_and_each_ends_with_its_own_last_item(service: Service, path: str) -> None:
    words = {"a": 700, "bcd": 300, "ef": 10, "ghi": 500}

    def sizes() -> list[int]:
        with ThreadPoolExecutor(len(words)) as threads:
            found = threads.map(lambda word: spell(service, path, word, times=words[word]), words)
        sizes = []
        for word, (size, *letters) in zip(words, found, strict=True):
            assert letters == [*word * words[word]]
            sizes.append(size)
        return sizes

    if runs_one_at_a_time(service):
        assert sizes() == [1] * len(words)
    else:
        service.wait_until(lambda: max(sizes()) > 1)


@pytest.mark.parametrize("path", PATHS)
def test_a_client_that_leaves_closes_the_generator_for_those_that_wait(service: Service, path: str) -> None:
    with httpx.stream("POST", f"{service.url}{path}", json={"word": "ab", "times": 1_000_000}) as answer:
        lines = answer.iter_lines()
        assert [next(lines) for _ in range(3)] == ["1", '"a"', '"b"']

    assert spell(service, path, "c") == [1, "c"]


@pytest.mark.parametrize("path", PATHS)
def test_a_failure_in_the_middle_is_the_last_event(service: Service, path: str) -> None:
    answer = service.post(path, json={"word": "a!b", "times": 1}, headers={"Accept": "text/event-stream"})

    *items, error = answer.text.strip().split("\n\n")
    assert items == ["data: 1", 'data: "a"']
    assert error.startswith("event: error\ndata: ")
    assert json.loads(error.partition("data: ")[2])["code"] == "internal_error"
    service.wait_until(lambda: "LookupError: secret" in service.log())


@pytest.mark.parametrize("path", PATHS)
def test_an_exception_in_an_items_place_is_that_calls_last_event(service: Service, path: str) -> None:
    *items, error = spell(service, path, "a?b")

    assert items == [1, "a"]
    assert (error["code"], error["error"]) == ("invalid_request", "What a word")


@pytest.mark.parametrize("path", ["/inline", "/async", "/native", "/hosted"])
def test_a_batch_that_is_refused_before_its_first_list_has_a_status(service: Service, path: str) -> None:
    refused = service.post(path, json={"word": "refused", "times": 1})

    assert (refused.status_code, refused.json()["error"]) == (400, "This word is refused")


def test_a_replica_counts_each_step_by_the_calls_that_it_was_for(service: Service) -> None:
    spell(service, "/hosted", "ab", times=50)

    assert replica_of(service)["batch_sizes"]["1"] > 100
    service.wait_until(lambda: replica_of(service)["running"] == 0)


def test_a_client_that_does_not_read_holds_no_other_of_its_batch(service: Service) -> None:
    if runs_one_at_a_time(service):
        pytest.skip("a sync worker has one call at a time")
    with httpx.Client() as client, ThreadPoolExecutor(2) as threads:
        with httpx.stream("POST", f"{service.url}/hosted", json={"word": "a", "times": 10**6}) as first:
            lines = first.iter_lines()
            assert next(lines) == "1"
            body = {"word": "ab", "times": 1000}
            unread = threads.submit(client.send, asking(service, body), stream=True)
            service.wait_until(lambda: replica_of(service)["waiting"] == 1)
            read = threads.submit(spell, service, "/hosted", "cd", 300)
            service.wait_until(lambda: replica_of(service)["waiting"] == 2)

        assert read.result() == [2, *"cd" * 300]
        with closing(unread.result()) as answer:
            assert [json.loads(line) for line in answer.iter_lines()] == [2, *"ab" * 1000]


def asking(service: Service, body: dict[str, Any]) -> httpx.Request:
    return httpx.Request("POST", f"{service.url}/hosted", json=body)


def replica_of(service: Service) -> dict[str, Any]:
    [replica] = service.get("/__runners").json()["hosted"]
    return dict(replica)
