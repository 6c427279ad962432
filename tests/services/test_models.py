"""Models that handlers call, on each worker class: results, errors, deadlines, streams, deaths."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.selection import matrix
from tests.services.serving import Service, serve

pytestmark = pytest.mark.processes

CALLS = 16


@pytest.fixture(scope="module", params=matrix(["asgi", "gevent", "gthread", "sync"], "asgi"))
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    app = "tests.services.model_apps:run_app()"
    with serve(app, worker_class=request.param, args=["--threads", "8"], ready="/readyz") as service:
        yield service


def ask(service: Service, path: str, **fields: Any) -> Any:
    answer = service.post(path, json=fields)
    assert answer.status_code == 200, answer.text
    return answer.json()


def runners(service: Service) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = service.get("/__runners").json()
    return found


def test_a_handler_calls_models_many_times_in_batches(service: Service) -> None:
    assert ask(service, "/search", query="abc") == {"found": "20", "vector": [6.0] * 4}

    [embed] = runners(service)["embed"]
    assert max(map(int, embed["batch_sizes"])) > 1


def test_what_groups_the_calls_of_a_batch_is_asked_in_the_replica(service: Service) -> None:
    refused = service.post("/embed", json={"text": "groupless"})

    assert (refused.status_code, refused.json()["error"]) == (400, "This text has no group")
    assert ask(service, "/embed", text="ABC") == [6.0] * 4


def test_a_replica_runs_the_items_of_a_call_in_batches(service: Service) -> None:
    assert ask(service, "/lengths", items=["a" * n for n in range(1, 10)]) == list(range(1, 10))
    assert ask(service, "/lengths", items=[]) == []
    refused = service.post("/lengths", json={"items": ["a", ""]})

    assert (refused.status_code, refused.json()["error"]) == (400, "There is no text")
    assert runners(service)["lengths"][0]["batch_sizes"].keys() == {"1", "2", "4"}


def test_a_replica_whose_memory_runs_out_again_and_again_is_replaced(service: Service) -> None:
    [before] = runners(service)["lengths"]
    for _ in range(3):
        assert service.post("/lengths", json={"items": ["starve"]}).status_code == 500

    service.wait_until(lambda: [each["pid"] for each in runners(service)["lengths"]] != [before["pid"]])
    assert ask(service, "/lengths", items=["abc"]) == [3]
    assert runners(service)["lengths"][0]["max_batch"] == 4


def test_coroutines_call_models_at_the_same_time(service: Service) -> None:
    found = ask(service, "/search_async", query="abc")

    assert (found["vector"], found["slept"]) == ([6.0] * 4, 0.2)


@pytest.mark.parametrize("path", ["/hosted", "/search"])
def test_models_call_models_from_other_processes(service: Service, path: str) -> None:
    assert ask(service, path, query="ab")["vector"] == [4.0] * 4


def test_a_view_and_a_route_of_the_model_itself_reach_the_same_replicas(service: Service) -> None:
    assert service.get("/view").json() == {"vector": [8.0] * 4}
    assert ask(service, "/embed", text="abc") == [6.0] * 4
    assert {"embed", "rank"} < runners(service).keys()


def test_a_job_calls_models(service: Service) -> None:
    job = service.post("/later", json={"query": "abc"}).json()["job_id"]

    done = service.get(f"/status/{job}?wait=20").json()

    assert (done["status"], done.get("result")) == ("finished", {"found": "2", "vector": [6.0] * 4})


@pytest.mark.parametrize("path", ["/count", "/count_async"])
def test_the_items_of_a_generator_come_through(service: Service, path: str) -> None:
    lines = service.post(path, json={"to": 40}).text.splitlines()

    assert [json.loads(line) for line in lines] == list(range(40))


def test_many_streams_are_made_step_by_step(service: Service) -> None:
    found: dict[str, str] = {}

    def spell(word: str) -> None:
        lines = service.post("/spell", json={"word": word, "times": 20}).text.splitlines()
        found[word] = "".join(map(json.loads, lines))

    threads = [threading.Thread(target=spell, args=(word,)) for word in ("one", "three", "eleven", "a")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == {word: word * 20 for word in ("one", "three", "eleven", "a")}
    [replica] = runners(service)["spell"]
    assert max(map(int, replica["batch_sizes"])) > 1


def test_a_client_that_leaves_a_stream_leaves_the_steps(service: Service) -> None:
    with httpx.stream("POST", f"{service.url}/spell", json={"word": "abc", "times": 100_000}) as answer:
        assert next(answer.iter_lines()) == '"a"'

    service.wait_until(lambda: runners(service)["spell"][0].get("running") == 0)


@pytest.mark.parametrize("path", ["/drip", "/drip_async"])
def test_a_client_that_leaves_ends_the_stream_of_the_model_too(
    service: Service, path: str, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"

    with httpx.stream("POST", f"{service.url}{path}", json={"mark": str(mark)}) as answer:
        lines = answer.iter_lines()  # whose end would be the connection's
        assert next(lines) == "0"
        assert mark.exists()

    service.wait_until(lambda: not mark.exists())


def test_an_error_among_items_is_the_callers(service: Service) -> None:
    *items, last = service.post("/count", json={"to": 5, "fail_at": 2}).text.splitlines()

    assert [json.loads(item) for item in items] == [0, 1]
    assert json.loads(last)["code"] == "invalid_request"


@pytest.mark.parametrize("path", ["/total", "/total_async", "/piped"])
def test_a_model_takes_the_items_of_an_iterator_as_they_are_made(service: Service, path: str) -> None:
    assert ask(service, path, to=1000) == 499_500


def test_many_iterators_are_sent_at_the_same_time(service: Service) -> None:
    assert ask(service, "/totals", to=200, calls=40) == [19_900] * 40


def test_a_coroutine_takes_the_items_of_async_iterators(service: Service) -> None:
    assert ask(service, "/joined", text="a stream of letters") == 2 * "a stream of letters"


def test_items_come_back_while_others_are_sent(service: Service) -> None:
    words = [f"word {n}" for n in range(100)]

    lines = service.post("/texts", json={"words": words}).text.splitlines()

    assert [json.loads(line) for line in lines] == words


def test_an_iterator_is_closed_where_the_model_takes_no_more(service: Service) -> None:
    assert ask(service, "/stopped", most=100) <= 15 + 16


def test_what_an_iterator_raises_is_raised_by_the_call(service: Service) -> None:
    failed = service.post("/total", json={"to": 100, "fail_at": 40})

    assert (failed.status_code, failed.json()["error"]) == (400, "no 40")


def test_a_deadline_ends_both_ends_of_an_endless_iterator(service: Service) -> None:
    assert service.post("/endless", json={}).status_code == 504

    service.wait_until(lambda: ask(service, "/ends") == [-1])
    service.wait_until(lambda: [each.get("running") for each in runners(service)["rank"]] == [0, 0])


def test_models_with_steps_or_stages_take_arguments_by_position(service: Service) -> None:
    assert ask(service, "/stepped", word="ab") == {"letters": list("abab"), "doubled": 42}


def test_methods_of_the_class_itself_are_called_as_others_are(service: Service) -> None:
    assert ask(service, "/kinds") == [1.5, 2.5, "Rank!"]


def test_a_method_that_the_replicas_code_lacks_fails_its_call_alone(service: Service) -> None:
    assert service.post("/missing", json={}).status_code == 500
    assert [each["state"] for each in runners(service)["rank"]] == ["ready"] * 2
    assert ask(service, "/kinds") == [1.5, 2.5, "Rank!"]


def test_a_replica_that_dies_among_its_items_is_a_failure_of_the_model(service: Service) -> None:
    failed = service.post("/breaks_off", json={})

    assert (failed.status_code, failed.json()["code"]) == (500, "internal_error")
    service.wait_until(lambda: [each["state"] for each in runners(service)["rank"]] == ["ready"] * 2)


def test_a_client_learns_when_a_model_is_there_again(service: Service) -> None:
    busy = service.post("/busy", json={})

    assert (busy.status_code, busy.headers["Retry-After"]) == (503, "7")


def test_a_call_that_has_sent_items_is_not_sent_again(service: Service) -> None:
    assert service.post("/dies", json={}).status_code == 500
    service.wait_until(lambda: service.get("/readyz").status_code == 200)
    assert ask(service, "/total", to=10) == 45


def test_what_a_model_refuses_is_the_clients_mistake_and_its_failure_is_nobodys(service: Service) -> None:
    refused = service.post("/search", json={"query": "refuse"})
    failed = service.post("/search", json={"query": "fail"})

    assert (refused.status_code, refused.json()["error"]) == (400, "This document is refused")
    assert (failed.status_code, failed.json()["error"]) == (500, "The service failed to answer this request")
    service.wait_until(lambda: "LookupError: secret" in service.log())


def test_the_deadline_of_a_call_is_that_of_the_models_that_it_calls(service: Service) -> None:
    late = service.post("/sleep", json={"seconds": 5})

    assert late.status_code == 504


def test_a_replica_that_is_killed_costs_no_call(service: Service) -> None:
    answers: list[Any] = []
    threads = [
        threading.Thread(target=lambda: answers.append(service.post("/search", json={"query": "abc"})))
        for _ in range(CALLS)
    ]
    for thread in threads:
        thread.start()
    os.kill(runners(service)["rank"][0]["pid"], signal.SIGKILL)
    os.kill(runners(service)["embed"][0]["pid"], signal.SIGKILL)
    for thread in threads:
        thread.join()

    assert {answer.status_code for answer in answers} == {200}
    service.wait_until(lambda: len(ask(service, "/pids", number=16)) == 2)


def test_what_waits_for_a_caller_that_is_killed_ends(service: Service) -> None:
    [hosted] = runners(service)["hosted"]
    os.kill(hosted["pid"], signal.SIGKILL)

    assert ask(service, "/hosted", query="abc")["vector"] == [6.0] * 4
    service.wait_until(lambda: all(each.get("running") == 0 for each in runners(service)["rank"]))
