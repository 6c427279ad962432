"""An ASGI middleware of OpenTelemetry's around the app, in place of the instrumentation of Flask."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.monitoring.monitored import monitored
from tests.monitoring.test_requests import HELLO, PARENT, TRACE, TRACEPARENT
from tests.selection import matrix
from tests.with_packages import need

pytestmark = pytest.mark.processes


@pytest.mark.parametrize("server", matrix(["asgi", "uvicorn", "granian asgi"], "asgi"))
def test_each_request_is_one_span_of_the_clients_trace(server: str, tmp_path: Path) -> None:
    need("opentelemetry.instrumentation.asgi")
    with monitored(server, "opentelemetry_asgi_apps:within", tmp_path, {}) as service:
        answered = service.seen_once("/echo", HELLO, traceparent=TRACEPARENT)
        viewed = service.seen_once("/view", method="GET")
        failed = service.seen_once("/fail", HELLO, status=500)
        refused = service.seen_once("/echo", HELLO, status=401, key="")
        unknown = service.seen_once("/nothing", HELLO, status=404)

    assert (answered["trace"], answered["parent"]) == (TRACE, PARENT)
    spans = [answered, viewed, failed, refused, unknown]
    assert [span["status"] for span in spans] == [200, 200, 500, 401, 404]
    assert [span for span in spans if span["is_error"]] == [failed]
