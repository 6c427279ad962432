"""`python -m bench.wake_ups URL`: how soon a job that one machine enqueues starts on another one.

URL names an empty PostgreSQL database. A web tier, which runs no jobs, is one machine; an idle service that
runs them is the other: both here, under host names of their own, so that it takes root (unshare). One clock
is read in both. It prints percentiles and the goal, and writes nothing.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import statistics
import time
from typing import Any

from flask import Flask

from aylien_model_serving.app_factory import FlaskAppWrapper
from bench.service import serving

JOBS = 300
GOAL_MS = 50.0

#: Seconds between two jobs, at most: a worker that polls once a second would find some soon by itself.
_PAUSE_S = 0.2


def tell_the_time(text: str) -> float:
    """Return when the job has started."""
    return time.time()


def app() -> Flask:
    """Return the app that both machines serve."""
    return FlaskAppWrapper.create_app([{"endpoint": "/time", "callable": tell_the_time, "job": True}])


class Client:
    """A keep-alive connection to the web tier.

    Args:
        port: of it.
    """

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def ask(self, method: str, path: str, body: str | None = None) -> Any:
        self._connection.request(method, path, body, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        content = response.read()
        if response.status >= 300:
            raise RuntimeError(f"{method} {path} returned {response.status}: {content!r}")
        return json.loads(content)


def measure(port: int) -> tuple[list[float], list[float]]:
    """Return milliseconds until jobs have started, from their calls on, and from the answers to these on."""
    client = Client(port)
    from_call, from_answer = [], []
    for _ in range(JOBS):
        time.sleep(random.uniform(0, _PAUSE_S))
        called = time.time()
        job_id = client.ask("POST", "/time", json.dumps({"text": "hello"}))["job_id"]
        answered = time.time()
        started = client.ask("GET", f"/status/{job_id}?wait=10")["result"]
        from_call.append((started - called) * 1000)
        from_answer.append((started - answered) * 1000)
    return from_call, from_answer


def main() -> None:
    """Measure, and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url", help="of an empty database")
    environ = {"MODEL_SERVING_JOBS_URL": parser.parse_args().url, "MODEL_SERVING_SERVICE_NAME": "wake-ups"}
    target, args = "bench.wake_ups:app()", ["--worker-class", "asgi", "--workers", "1"]
    web = environ | {"MODEL_SERVING_ROLE": "web"}
    with (
        serving(target, args, environ, host="worker"),
        serving(target, args, web, host="web") as (port, _, _),
    ):
        measured = measure(port)
    for name, found in zip(("its call", "the answer to it"), measured, strict=True):
        p50, p95 = statistics.median(found), statistics.quantiles(found, n=20)[-1]
        print(f"from {name:16} to its start: p50 {p50:6.1f} ms, p95 {p95:6.1f} ms, most {max(found):6.1f} ms")
    reached = statistics.quantiles(measured[0], n=20)[-1] <= GOAL_MS
    print(f"goal: p95 at most {GOAL_MS:g} ms: {'reached' if reached else 'not reached'}")


if __name__ == "__main__":
    main()
