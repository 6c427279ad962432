"""Sentry, OpenTelemetry and New Relic see each request once, as they see those of any Flask app."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.monitoring.monitored import NEW_RELIC, Monitored, monitored
from tests.selection import matrix
from tests.with_packages import need

pytestmark = pytest.mark.processes

HELLO = {"text": "hello"}
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


class Tool(NamedTuple):
    """A tool of monitoring.

    Args:
        package: what has to be installed.
        name: how it names a transaction: by the function that answers, its module, the method, or the rule.
        env: what it needs to start.
    """

    package: str
    name: str
    env: dict[str, str] = {}  # noqa: RUF012  # never changed

    def named(self, function: str, rule: str, method: str = "POST") -> str:
        return self.name.format(function=function, rule=rule, method=method)


TOOLS = {
    "sentry": Tool("sentry_sdk", "{function}"),
    "opentelemetry": Tool("opentelemetry.instrumentation.flask", "{method} {rule}"),
    "newrelic": Tool("newrelic", "WebTransaction/Function/tests.monitoring.routes:{function}", NEW_RELIC),
}

#: Tool, server, and whether the tool starts before or after the app is made.
SET_UPS = [
    ("sentry", "asgi", "before"),
    ("sentry", "gevent", "after"),
    ("sentry", "gthread", "before"),
    ("sentry", "sync", "after"),
    ("sentry", "uvicorn", "after"),
    ("sentry", "granian asgi", "before"),
    ("opentelemetry", "asgi", "before"),
    ("opentelemetry", "gevent", "after"),
    ("opentelemetry", "gthread", "after"),
    ("opentelemetry", "sync", "before"),
    ("opentelemetry", "uvicorn", "after"),
    ("newrelic", "asgi", "before"),
    ("newrelic", "gevent", "before"),
    ("newrelic", "sync", "before"),
    ("newrelic", "newrelic-admin gthread", "administered"),
    ("newrelic", "newrelic-admin uvicorn", "administered"),
]

QUICK = [set_up for set_up in SET_UPS if set_up[1] == "asgi"]


class Observed(NamedTuple):
    tool: Tool
    service: Monitored


@pytest.fixture(scope="module", params=matrix(map("|".join, SET_UPS), *map("|".join, QUICK)))
def observed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    name, server, order = request.param.split("|")
    tool, folder = TOOLS[name], tmp_path_factory.mktemp(name)
    need(tool.package)
    with monitored(server, f"{name}_apps:{order}", folder, tool.env) as service:
        yield Observed(tool, service)


def test_a_call_of_a_bare_handler_is_one_transaction(observed: Observed) -> None:
    found = observed.service.seen_once("/echo", HELLO)

    assert found["name"] == observed.tool.named("echo", "/echo")
    assert (found["method"], found["status"]) == ("POST", 200)
    assert found["errors"] == []
    assert found.get("data", HELLO) == HELLO


def test_a_transaction_is_named_by_the_route_and_not_by_the_path(observed: Observed) -> None:
    found = observed.service.seen_once("/items/7", HELLO)

    assert found["name"] == observed.tool.named("describe", "/items/<name>")
    assert found.get("route", "/items/<name>") == "/items/<name>"


def test_a_view_is_one_transaction(observed: Observed) -> None:
    found = observed.service.seen_once("/view", method="GET")

    assert (found["name"], found["status"]) == (observed.tool.named("see", "/view", "GET"), 200)


@pytest.mark.parametrize(
    ("path", "method", "message"),
    [
        ("/fail", "POST", "no hello"),
        ("/process-json", "POST", "no hello"),
        ("/failing-view", "GET", "no view"),
    ],
)
def test_what_a_handler_raises_is_captured_once(
    observed: Observed, path: str, method: str, message: str
) -> None:
    fields = HELLO if method == "POST" else None

    found = observed.service.seen(path, fields, method=method, status=500)

    assert [error for each in found for error in each["errors"]] == [["LookupError", message]]
    assert [each["status"] for each in found if each["kind"] == "transaction"] == [500]
    assert [each["mechanisms"] for each in found if each["kind"] == "event"] in ([], [["flask"]])
    assert found[-1].get("is_error", True)


@pytest.mark.parametrize(
    ("path", "fields", "key", "status"),
    [
        ("/echo", {"other": 1}, {}, 400),
        ("/echo", HELLO, {"key": ""}, 401),
        ("/echo", HELLO, {"key": "wrong"}, 403),
        ("/nothing", HELLO, {}, 404),
    ],
)
def test_what_a_client_does_wrong_is_a_transaction_and_no_error(
    observed: Observed, path: str, fields: object, key: dict[str, str], status: int
) -> None:
    found = observed.service.seen(path, fields, status=status, **key)

    assert [each["status"] for each in found] == [status]


def test_a_trace_of_the_clients_goes_on(observed: Observed) -> None:
    headers = {"traceparent": TRACEPARENT, "sentry_trace": f"{TRACE}-{PARENT}-1"}

    found = observed.service.seen_once("/echo", HELLO, **headers)

    assert (found["trace"], found["parent"]) == (TRACE, PARENT)


def test_a_reply_from_the_cache_is_seen_and_does_not_depend_on_what_a_tool_reads(observed: Observed) -> None:
    traced = {"traceparent": TRACEPARENT, "sentry_trace": f"{TRACE}-{PARENT}-1", "user_agent": "one"}
    otherwise = {"traceparent": TRACEPARENT.replace("0af", "1af"), "user_agent": "another"}
    observed.service.seen_once("/cached", HELLO, **traced)

    found = observed.service.seen_once("/cached", HELLO, **otherwise)

    assert (found["path"], found["status"]) == ("/cached", 200)
    answer = observed.service.ask("/cached", HELLO, user_agent="a third")
    assert answer.headers["x-cache"] == "hit"
