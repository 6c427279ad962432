"""The dashboard's endpoints: what they show, who may see it, and how little they hold."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from prometheus_client.samples import Sample

from aylien_model_serving import lifecycle
from aylien_model_serving.jobs.errors import StoreUnavailable
from aylien_model_serving.jobs.store import Store
from aylien_model_serving.web.dashboard import counts, feed
from aylien_model_serving.web.dashboard.feed import MAX_STREAMS, PERIOD, STREAM_SECONDS, Feed
from tests.web.asking import error, post, route, serve
from tests.web.jobs import begin, echo, end_of, jobs

DATA = ("/__dashboard/events", "/__jobs")
FILES = ("/__dashboard", "/__dashboard/main.js", "/__dashboard/base.css", "/__dashboard/icon.svg")


def predict(text: str) -> dict[str, str]:
    return {"text": text}


@pytest.fixture
def one_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a stream end at once, where gevent would have it last."""
    monkeypatch.setattr(feed, "STREAM_SECONDS", 0.0)


def snapshot(client: FlaskClient) -> dict[str, Any]:
    [_, data] = client.get("/__dashboard/events").text.strip().splitlines()
    found: dict[str, Any] = json.loads(data.removeprefix("data: "))
    return found


@pytest.mark.usefixtures("one_event")
class TestPage:
    """What a browser loads."""

    @pytest.mark.parametrize("path", FILES)
    def test_nothing_of_another_host_and_no_text_can_become_a_part_of_the_page(self, path: str) -> None:
        response = serve(route(predict)).get(path)

        policy = response.headers["Content-Security-Policy"]
        assert response.status_code == 200
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert response.headers["X-Content-Type-Options"] == "nosniff"

    def test_a_file_that_a_browser_has_is_not_sent_again(self) -> None:
        client = serve(route(predict))
        tag = client.get("/__dashboard/main.js").headers["ETag"]

        assert client.get("/__dashboard/main.js", headers={"If-None-Match": tag}).status_code == 304

    @pytest.mark.parametrize("name", ["nothing.js", "..%2f__init__.py", "__init__.py", "index.html"])
    def test_no_other_file_is_shown(self, name: str) -> None:
        assert error(serve(route(predict)).get(f"/__dashboard/{name}"))[:2] == (404, "not_found")

    def test_a_slash_too_many_leads_to_the_page_whatever_prefix_a_proxy_has_taken_away(self) -> None:
        assert serve(route(predict)).get("/__dashboard/").headers["Location"] == "../__dashboard"

    def test_none_of_it_is_counted(self) -> None:
        client = serve(route(predict))
        for path in (*FILES, *DATA):
            client.get(path)

        assert "flask_http_request_total{" not in client.get("/metrics").text

    def test_it_can_be_switched_off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MODEL_SERVING_DASHBOARD", "0")
        client = serve(route(predict))

        assert {client.get(path).status_code for path in (*FILES, *DATA)} == {404}

    @pytest.mark.parametrize("path", ["/__dashboard", "/__jobs"])
    def test_a_route_on_its_path_stops_the_start(self, path: str) -> None:
        with pytest.raises(ValueError, match=path):
            serve(route(predict, path, methods=["GET"]))


@pytest.mark.usefixtures("one_event")
class TestKeys:
    """With API keys set."""

    @pytest.fixture
    def client(self, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
        monkeypatch.setenv("MODEL_SERVING_API_KEYS", "one")
        return serve(route(predict))

    @pytest.mark.parametrize("path", DATA)
    def test_data_needs_a_right_key(self, client: FlaskClient, path: str) -> None:
        statuses = [client.get(path, headers=headers).status_code for headers in ({}, {"X-API-Key": "two"})]

        assert statuses == [401, 403]
        assert client.get(path, headers={"X-API-Key": "one"}).status_code == 200

    def test_the_page_needs_none_and_knows_that_its_reader_does(self, client: FlaskClient) -> None:
        assert 'data-key="needed"' in client.get("/__dashboard").text
        assert client.get("/__dashboard/main.js").status_code == 200


@pytest.mark.usefixtures("one_event")
class TestSnapshot:
    """What is shown of a service at one moment."""

    def test_a_route_has_its_counts(self) -> None:
        client = serve(route(predict, cache=True), route(predict, "/other", name="other"))
        for text in ("a", "a", 1):
            post(client, {"text": text})

        first, second = snapshot(client)["routes"]

        assert (first["name"], first["path"], first["cached"]) == ("predict", "/p", True)
        assert first["statuses"] == {"200": 2, "400": 1}
        assert sum(first["counts"]) == 3
        assert first["sum"] > 0
        assert first["cache"] == {"miss": 1, "hit": 1}
        assert (second["name"], second["statuses"], sum(second["counts"])) == ("other", {}, 0)
        assert len(first["counts"]) == len(second["counts"])

    def test_a_path_without_a_route_is_shown_too(self) -> None:
        client = serve(route(predict))
        client.get("/nowhere")

        assert snapshot(client)["routes"][1] | {"counts": [], "sum": 0} == {
            "name": "unmatched",
            "statuses": {"404": 1},
            "cache": {},
            "counts": [],
            "sum": 0,
        }

    @pytest.mark.usefixtures("in_memory")
    def test_a_job_is_shown_without_its_result(self) -> None:
        client = jobs(echo)
        job_id = begin(client, {"text": "secret"})
        end_of(client, job_id)

        shown = snapshot(client)["jobs"]

        assert shown["counts"] == {"echo": {"finished": 1}}
        [job] = shown["latest"]
        assert (job["job_id"], job["route"], job["status"], job["progress"]) == (
            job_id,
            "echo",
            "finished",
            1,
        )
        assert "result" not in job

    @pytest.mark.usefixtures("in_memory")
    def test_a_store_that_does_not_work_is_told_beside_the_rest(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: Any, **__: Any) -> Any:
            raise StoreUnavailable("The job store is busy")

        client = jobs(echo)
        monkeypatch.setattr(Store, "page", fail)

        assert snapshot(client)["jobs"] == {"counts": {}, "latest": [], "error": "The job store is busy"}

    def test_a_service_without_jobs_and_runners_has_none(self) -> None:
        shown = snapshot(serve(route(predict)))

        assert (shown["jobs"], shown["runners"]) == (None, [])


class TestJobs:
    """The list of jobs."""

    def test_a_service_without_jobs_has_an_empty_list(self) -> None:
        assert serve(route(predict)).get("/__jobs").get_json() == []

    @pytest.mark.usefixtures("in_memory")
    def test_the_last_job_comes_first(self) -> None:
        client = jobs(echo)
        ids = [begin(client, {"text": str(number)}) for number in range(3)]
        for job_id in ids:
            end_of(client, job_id)

        assert [job["job_id"] for job in client.get("/__jobs").get_json()] == ids[::-1]
        assert [job["job_id"] for job in client.get("/__jobs?limit=1").get_json()] == ids[-1:]
        assert len(client.get("/__jobs?status=finished").get_json()) == 3
        assert client.get("/__jobs?status=failed").get_json() == []

    @pytest.mark.parametrize(
        "query", ["limit=0", "limit=101", "limit=ten", "limit=-1", "limit=", "status=odd"]
    )
    def test_a_wrong_question_is_refused(self, query: str) -> None:
        assert error(serve(route(predict)).get(f"/__jobs?{query}"))[:2] == (400, "bad_request")


class Clock:
    """Time that goes on when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class TestFeed:
    """Streams of one process."""

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def feed(self, clock: Clock) -> Feed:
        self.taken = 0

        def take() -> bytes:
            self.taken += 1
            return b"%d" % self.taken

        return Feed(take, clock, clock.sleep)

    def test_all_who_watch_share_one_snapshot_a_second(self, feed: Feed, clock: Clock) -> None:
        same = {feed.latest() for _ in range(5)}
        clock.sleep(PERIOD)

        assert same == {b"retry: 1000\ndata: 1\n\n"}
        assert feed.latest() == b"retry: 1000\ndata: 2\n\n"

    def test_a_stream_ends_after_a_while(self, feed: Feed, clock: Clock) -> None:
        begun = clock()

        events = list(feed.events(feed.latest(), lasting=True))

        assert len(events) == len(set(events)) == 1 + STREAM_SECONDS / PERIOD
        assert clock() - begun == STREAM_SECONDS

    def test_where_waiting_would_keep_others_away_one_event_is_all(self, feed: Feed) -> None:
        assert len(list(feed.events(feed.latest(), lasting=False))) == 1

    def test_who_finds_no_place_gets_one_event_until_another_leaves(self, feed: Feed) -> None:
        streams = [feed.events(b"first", lasting=True) for _ in range(MAX_STREAMS)]
        for stream in streams:
            assert next(stream) == b"first"
            next(stream)

        assert len(list(feed.events(b"first", lasting=True))) == 1
        streams[0].close()  # type: ignore[attr-defined]  # a generator, which is all that close asks for

        assert len(list(feed.events(b"first", lasting=True))) > 1

    def test_a_stream_ends_when_its_process_is_told_to_go(
        self, feed: Feed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stream = feed.events(feed.latest(), lasting=True)
        next(stream)
        next(stream)
        monkeypatch.setattr(lifecycle, "_signs", [lambda: True])

        assert list(stream) == []


class TestCounts:
    """Samples → counts."""

    @pytest.fixture
    def bucket(self) -> Callable[..., Sample]:
        def make(method: str, le: str, value: float) -> Sample:
            return Sample("h_bucket", {"endpoint": "e", "method": method, "le": le}, value)

        return make

    def test_buckets_are_taken_apart_and_added_up_over_other_labels(self, bucket: Any) -> None:
        samples = counts.by_name(
            [
                *(bucket("GET", le, value) for le, value in (("0.1", 1), ("1.0", 3), ("+Inf", 4))),
                *(bucket("POST", le, value) for le, value in (("+Inf", 5), ("0.1", 5), ("1.0", 5))),
                Sample("h_sum", {"endpoint": "e", "method": "GET"}, 2.5),
                Sample("h_sum", {"endpoint": "e", "method": "POST"}, 0.25),
            ]
        )

        assert counts.spreads(samples, "h", "endpoint") == {
            "bounds": [0.1, 1.0],
            "of": {"e": {"sum": 2.75, "counts": [6, 2, 1]}},
        }

    def test_a_series_that_nobody_has_begun_is_empty(self) -> None:
        assert counts.spreads({}, "h", "endpoint") == {"bounds": [], "of": {}}
        assert counts.table({}, "c", "endpoint", "result") == {}
