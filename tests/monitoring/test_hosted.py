"""What Sentry sees of a model in a runner: the request in the web worker, what it raises in the replica."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.monitoring.monitored import monitored
from tests.selection import matrix
from tests.with_packages import need

pytestmark = pytest.mark.processes


@pytest.mark.parametrize("server", matrix(["asgi", "gevent"], "asgi"))
def test_a_hosted_models_error_is_captured_once_in_its_replica(server: str, tmp_path: Path) -> None:
    need("sentry_sdk")
    with monitored(server, "sentry_hosted:create", tmp_path, {}) as service:
        service.service.wait_until(lambda: service.service.status("/readyz") == 200)

        answered = service.seen_once("/model", {"text": "hello"})
        failed = service.seen("/model", {"text": "fail"}, status=500)

        error = service.wait_for(kind="event")
        assert [answered["name"], failed[-1]["name"]] == ["model", "model"]
        assert [each["kind"] for each in failed] == ["transaction"]
        assert failed[-1]["status"] == 500
        assert error["errors"] == [["LookupError", "no model"]]
        assert error["pid"] != failed[-1]["pid"]
        assert len([each for each in service.collected() if each["kind"] == "event"]) == 1
