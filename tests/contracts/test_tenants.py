"""What one caller has made is no other caller's, through every adapter."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from aylien_model_serving import current_caller
from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.jobs.progress import JobProgress
from aylien_model_serving.web.app import ServingFlask
from tests.contracts.adapters import ADAPTERS, Answer, Request, ServiceByAdapter

KEYS = {"alice": "a-key-of-alice", "bob": "a-key-of-bob", "carol": "a-key-of-carol"}
PATIENCE_SECONDS = 20.0


def whoami(text: str = "") -> dict[str, str]:
    return {"caller": current_caller()}


async def whoami_async(text: str = "") -> dict[str, str]:
    return {"caller": current_caller()}


def stream(text: str = "") -> Iterator[dict[str, str]]:
    for _ in range(2):
        yield {"caller": current_caller()}


def batch(text: list[str]) -> list[dict[str, str]]:
    return [{"caller": current_caller()} for _ in text]


def work(text: str, progress: JobProgress) -> dict[str, str]:
    return {"text": text, "caller": current_caller()}


def build() -> ServingFlask:
    app = FlaskAppWrapper.create_app(
        [
            {"endpoint": "/whoami", "callable": whoami},
            {"endpoint": "/async", "callable": whoami_async},
            {"endpoint": "/stream-of-words", "callable": stream},
            {"endpoint": "/batch", "callable": batch, "batch": True},
            {"endpoint": "/work", "callable": work, "job": True},
            {"endpoint": "/view", "callable": lambda: {"caller": current_caller()}, "methods": ["POST"]},
        ]
    )
    assert isinstance(app, ServingFlask)
    return app


@pytest.fixture(scope="module")
def service() -> ServiceByAdapter:
    listed = "alice:{alice},bob:{bob},admin:carol:{carol}".format(**KEYS)
    environ = {"MODEL_SERVING_API_KEYS": listed, "MODEL_SERVING_JOBS_URL": "memory://"}
    return ServiceByAdapter(build, environ)


class Tenants:
    """Sends requests with the key of a caller."""

    def __init__(self, service: ServiceByAdapter, adapter: str) -> None:
        self.service = service
        self.adapter = adapter

    def ask(self, caller: str, method: str, target: str, fields: Any = None, **headers: str) -> Answer:
        body = b"" if fields is None else json.dumps(fields).encode()
        given = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        return self.service.send(
            self.adapter, Request(method, target, body, (("x-api-key", KEYS[caller]), *given))
        )

    def begin(self, caller: str, text: str = "a", **headers: str) -> str:
        answer = self.ask(caller, "POST", "/work", {"text": text}, **headers)
        assert answer.status == 202, answer.body
        job_id: str = json.loads(answer.body)["job_id"]
        return job_id

    def end(self, caller: str, job_id: str) -> Any:
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            job = json.loads(self.ask(caller, "GET", f"/status/{job_id}?wait=1").body)
            if job["status"] == "finished":
                return job
        raise AssertionError(job)


@pytest.fixture(params=ADAPTERS)
def tenants(service: ServiceByAdapter, request: pytest.FixtureRequest) -> Tenants:
    return Tenants(service, request.param)


@pytest.mark.parametrize("path", ["/whoami", "/async", "/stream-of-words", "/batch", "/view"])
def test_a_handler_learns_its_caller(tenants: Tenants, path: str) -> None:
    fields = {} if path == "/view" else {"text": "a"}

    for caller in KEYS:
        answer = tenants.ask(caller, "POST", path, fields)

        assert answer.status == 200
        assert json.dumps({"caller": caller}).replace(" ", "").encode() in answer.body.replace(b" ", b"")
    assert current_caller() == ""


def test_a_job_bears_the_name_of_its_caller_and_runs_in_it(tenants: Tenants) -> None:
    job = tenants.end("alice", tenants.begin("alice"))

    assert (job["caller"], job["result"]) == ("alice", {"text": "a", "caller": "alice"})


def test_a_job_is_another_callers_in_no_way(tenants: Tenants) -> None:
    job_id = tenants.begin("alice")
    tenants.end("alice", job_id)

    for method, target in [
        ("GET", f"/status/{job_id}"),
        ("GET", f"/status/{job_id}?wait=1"),
        ("GET", f"/status?job_id={job_id}"),
        ("POST", f"/status?job_id={job_id}"),
        ("GET", f"/stream/{job_id}"),
        ("POST", f"/cancel/{job_id}"),
    ]:
        answers = {caller: tenants.ask(caller, method, target) for caller in KEYS}

        assert {caller: answer.status for caller, answer in answers.items()} == {
            "alice": 200,
            "bob": 404,
            "carol": 200,
        }
        unknown = tenants.ask("bob", method, target.replace(job_id, "0" * 32))
        assert json.loads(unknown.body) == {
            **json.loads(answers["bob"].body),
            "error": json.loads(unknown.body)["error"],
        }


def test_the_list_has_ones_own_jobs_and_an_admins_all(tenants: Tenants) -> None:
    made = {caller: tenants.begin(caller) for caller in KEYS}

    listed = {
        caller: {job["job_id"]: job["caller"] for job in json.loads(answer.body)["jobs"]}
        for caller in KEYS
        if (answer := tenants.ask(caller, "GET", "/jobs?limit=100"))
    }

    assert set(listed["alice"].values()) == {"alice"}
    assert set(listed["bob"].values()) == {"bob"}
    assert made["alice"] in listed["alice"]
    assert {made[caller]: caller for caller in KEYS}.items() <= listed["carol"].items()


def test_an_idempotency_key_is_ones_own_and_of_one_body(tenants: Tenants) -> None:
    key = {"idempotency_key": f"k-{tenants.adapter}"}

    made = {caller: tenants.begin(caller, **key) for caller in KEYS}

    assert len(set(made.values())) == 3
    assert made == {caller: tenants.begin(caller, **key) for caller in KEYS}
    for caller in KEYS:
        assert tenants.ask(caller, "POST", "/work", {"text": "b"}, **key).status == 422
