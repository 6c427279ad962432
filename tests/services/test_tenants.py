"""Callers with keys, before a real service: their answers and jobs in replicas, and keys that change."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aylien_model_serving.core.api_keys import hash_of
from tests.services.raw_http import Answer, ask
from tests.services.serving import Service, serve

pytestmark = pytest.mark.processes

KEYS = {name: f"the-key-of-{name}-0123456789" for name in ("alice", "bob", "carol")}


def entries(*names: str) -> str:
    return "".join(f"{name}:{hash_of(KEYS[name])}\n" for name in names)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("secrets") / "keys"


@pytest.fixture(scope="module")
def service(keys: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    keys.write_text(entries("alice", "bob"))
    env = {
        "MODEL_SERVING_API_KEYS_FILE": str(keys),
        "MODEL_SERVING_JOBS_URL": str(tmp_path_factory.mktemp("jobs") / "jobs.sqlite3"),
    }
    with serve("tests.services.tenant_apps:run_app()", workers=1, env=env, ready="/readyz") as service:
        yield service


def send(service: Service, caller: str, path: str, fields: Any = None, method: str = "POST") -> Answer:
    body = b"" if fields is None else json.dumps(fields).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
    lines += [f"X-API-Key: {KEYS[caller]}", f"X-Request-ID: of-{caller}", "Connection: close", "", ""]
    return ask(service.port, "\r\n".join(lines).encode() + body)


def test_answers_from_replicas_are_kept_for_their_caller_where_they_depend_on_it(service: Service) -> None:
    def found(path: str, caller: str) -> tuple[str, str]:
        answer = send(service, caller, path, {"text": "a"})
        return answer.headers["x-cache"], answer.json().get("caller", "")

    assert [found("/whoami", caller) for caller in ("alice", "bob", "alice")] == [
        ("miss", "alice"),
        ("miss", "bob"),
        ("hit", "alice"),
    ]
    assert [found("/same", caller)[0] for caller in ("alice", "bob")] == ["miss", "hit"]
    service.wait_until(lambda: "[of-bob bob] Asked for a" in service.log())
    assert not any(key in service.log() for key in KEYS.values())


def test_a_job_in_a_replica_is_its_callers(service: Service) -> None:
    made = send(service, "alice", "/later", {"text": "b"}).json()

    own = send(service, "alice", f"/status/{made['job_id']}?wait=30", method="GET").json()
    other = send(service, "bob", f"/status/{made['job_id']}", method="GET")

    assert (own["caller"], own["result"]) == ("alice", {"caller": "alice"})
    assert other.status == 404


def test_keys_change_with_their_file_and_a_broken_file_changes_nothing(service: Service, keys: Path) -> None:
    def statuses() -> dict[str, int]:
        return {caller: send(service, caller, "/same", {"text": "c"}).status for caller in KEYS}

    assert statuses() == {"alice": 200, "bob": 200, "carol": 403}
    keys.write_text("alice:sha256:broken\n")
    service.process.send_signal(signal.SIGHUP)
    service.wait_until(lambda: "The secrets stay as they were: MODEL_SERVING_API_KEYS_FILE" in service.log())
    assert statuses() == {"alice": 200, "bob": 200, "carol": 403}

    keys.write_text(entries("alice", "carol"))
    service.process.send_signal(signal.SIGHUP)

    service.wait_until(lambda: statuses() == {"alice": 200, "bob": 403, "carol": 200})
