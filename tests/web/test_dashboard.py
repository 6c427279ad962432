"""The dashboard's endpoints: their data, their authentication, and their security headers."""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
from flask.testing import FlaskClient

from aylien_model_serving.jobs.errors import StoreUnavailable
from aylien_model_serving.jobs.store import Store
from aylien_model_serving.web.dashboard import feed
from tests.web.jobs import begin, echo, end_of, jobs
from tests.web.requests import error, post, route, serve

EVENTS = "/__dashboard/events"
FILES = ("/__dashboard", "/__dashboard/main.js", "/__dashboard/base.css", "/__dashboard/icon.svg")


def predict(text: str) -> dict[str, str]:
    return {"text": text}


@pytest.fixture
def one_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a stream end at once, where gevent would have it last."""
    monkeypatch.setattr(feed, "STREAM_SECONDS", 0.0)


def snapshot(client: FlaskClient) -> dict[str, Any]:
    [_, data] = client.get(EVENTS).text.strip().splitlines()
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
        for path in (*FILES, EVENTS):
            client.get(path)

        lines = client.get("/metrics").text.splitlines()
        totals = [line for line in lines if line.startswith("flask_http_request_total{")]
        assert all(line.endswith(" 0.0") for line in totals)

    def test_it_can_be_switched_off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MODEL_SERVING_DASHBOARD", "0")
        client = serve(route(predict))

        assert {client.get(path).status_code for path in (*FILES, EVENTS)} == {404}

    def test_its_paths_are_free_where_it_is_off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MODEL_SERVING_DASHBOARD", "0")
        client = serve(route(predict, "/__dashboard", methods=["GET"]))

        assert client.get("/__dashboard?text=mine").json == {"text": "mine"}

    @pytest.mark.parametrize("path", ["/__dashboard", EVENTS])
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

    def test_data_needs_a_right_key(self, client: FlaskClient) -> None:
        statuses = [
            client.get(path, headers=headers).status_code
            for path in (EVENTS, "/__dashboard/history")
            for headers in ({}, {"X-API-Key": "two"})
        ]

        assert statuses == [401, 403, 401, 403]
        assert client.get(EVENTS, headers={"X-API-Key": "one"}).status_code == 200

    @pytest.mark.parametrize("path", ["/__dashboard", "/__dashboard/main.js", EVENTS])
    def test_a_browser_asks_its_reader_for_the_key(self, client: FlaskClient, path: str) -> None:
        refused = client.get(path)

        assert any(value.startswith("Basic") for value in refused.headers.getlist("WWW-Authenticate"))
        assert client.get(path, auth=("anybody", "one")).status_code == 200


@pytest.mark.usefixtures("one_event", "in_memory")
class TestCallers:
    """With keys of several callers, whose jobs it lists."""

    KEYS = "alice:one,bob:two,admin:carol:three"

    def jobs_of(self, client: FlaskClient, **headers: str) -> list[str]:
        text = client.get(
            EVENTS, headers={name.replace("_", "-"): value for name, value in headers.items()}
        ).text
        found = json.loads(text.strip().splitlines()[1].removeprefix("data: "))
        return sorted(job["caller"] for job in found["jobs"]["latest"])

    def test_a_reader_sees_the_jobs_that_the_key_shows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MODEL_SERVING_API_KEYS", self.KEYS)
        monkeypatch.setenv("MODEL_SERVING_OPEN", "dashboard")
        client = jobs(echo)
        for key in ("one", "two"):
            begin(client, X_API_Key=key)

        assert self.jobs_of(client, X_API_Key="one") == ["alice"]
        assert self.jobs_of(client, X_API_Key="two") == ["bob"]
        assert self.jobs_of(client, X_API_Key="three") == ["alice", "bob"]
        assert self.jobs_of(client) == []

    def test_readers_with_other_keys_share_the_streams_of_a_process(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MODEL_SERVING_API_KEYS", self.KEYS)
        monkeypatch.setattr(feed, "STREAM_SECONDS", 5.0)
        monkeypatch.setattr(feed, "PERIOD", 0.0)
        client = serve(route(predict))

        def events(key: str) -> Iterator[bytes]:
            environ = {"asgi.scope": {}, "HTTP_X_API_KEY": key}
            response = client.get(EVENTS, environ_overrides=environ, buffered=False)
            return iter(response.response)  # type: ignore[arg-type]  # the server's side of it

        with ExitStack() as streams:
            for key in ("one", "two") * (feed.MAX_STREAMS // 2):
                stream = streams.enter_context(closing(events(key)))  # type: ignore[type-var]  # a generator
                assert all(next(stream).startswith(b"retry") for _ in range(2))

            assert [len(list(events(key))) for key in ("one", "two", "three")] == [1, 1, 1]


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
            "own": False,
            "statuses": {"404": 1},
            "cache": {},
            "counts": [],
            "sum": 0,
        }

    @pytest.mark.parametrize("exposed", [False, True])
    def test_a_failure_has_its_request_id_and_nothing_that_the_client_sent(
        self, monkeypatch: pytest.MonkeyPatch, exposed: bool
    ) -> None:
        def fail(text: str) -> None:
            raise ValueError(text)

        monkeypatch.setenv("MODEL_SERVING_EXPOSE_ERRORS", str(int(exposed)))
        client = serve(route(fail))
        for number in range(30):
            client.post("/p", json={"text": "secret"}, headers={"X-Request-ID": f"call-{number}"})
        post(client, {"txt": "refused"})

        shown = snapshot(client)["failures"]

        assert len(shown) == 20
        assert [failure["request_id"] for failure in shown[:2]] == ["call-29", "call-28"]
        assert (shown[0]["route"], shown[0]["method"], shown[0]["status"]) == ("fail", "POST", 500)
        assert "secret" not in str(shown)
        assert ("kind" in shown[0]) is ("place" in shown[0]) is exposed
        assert shown[0].get("kind", "ValueError") == "ValueError"

    def test_the_process_is_shown_with_what_it_uses(self) -> None:
        [process] = [each for each in snapshot(serve())["processes"] if each["pid"] == os.getpid()]

        assert process["role"] == "server"
        assert process["memory"] > 10 << 20
        assert process["cpu"] > 0

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
    def test_what_follows_jobs_is_the_librarys_own(self) -> None:
        client = jobs(echo)
        for method in (client.get, client.post):
            method("/status?job_id=none")

        asked = [known for known in snapshot(client)["routes"] if known["statuses"]]

        assert [known["statuses"] for known in asked] == [{"404": 2}]
        assert all(known["own"] for known in asked)

    @pytest.mark.usefixtures("in_memory")
    def test_a_store_that_fails_is_reported_beside_the_rest(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: Any, **__: Any) -> Any:
            raise StoreUnavailable("The job store is busy")

        client = jobs(echo)
        monkeypatch.setattr(Store, "page", fail)

        assert snapshot(client)["jobs"] == {"counts": {}, "latest": [], "error": "The job store is busy"}

    def test_a_service_without_jobs_and_runners_has_none(self) -> None:
        shown = snapshot(serve(route(predict)))

        assert (shown["jobs"], shown["runners"]) == (None, [])
