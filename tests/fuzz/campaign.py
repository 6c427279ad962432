"""A fuzz run within this process: so many requests through every adapter, and what is left of them."""

from __future__ import annotations

import itertools
import logging
import os
import re
import signal
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any
from unittest import mock

from aylien_model_serving.web.app import ServingFlask
from tests.costs import reference
from tests.costs.measuring import own_garbage
from tests.fuzz import service
from tests.fuzz.mutations import mutated
from tests.fuzz.requests import Fuzzed
from tests.fuzz.seeds import JOB, KEY_HEADER, seeds
from tests.fuzz.senders import Answer, Loop, send_wsgi
from tests.fuzz.verdicts import Finding, fault_of, limit_of

#: Which adapter gets a request, by the last digit of its number.
ADAPTERS = (*["wsgi"] * 4, *["asgi"] * 4, "flask", "asgi to flask")

#: One request of so many goes to a service with API keys.
_KEYED = 7

#: Seconds after which a request counts as hanging.
_HANG_SECONDS = 30

#: Findings after which a run ends.
MOST_FINDINGS = 30

_JOB_ID = re.compile(rb'"job_id":"([0-9a-f]+)"')


class Hanging(BaseException):
    """A request has not been answered for long."""


@dataclass
class Campaign:
    """Fuzzes services of this process.

    Args:
        seed: of all chance.
        findings: the first of each cause.
        statuses: how often each status was answered.
    """

    seed: int
    findings: dict[str, Finding] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._seeds = seeds()
        self._loop = Loop()
        self._logged = _Logged()
        self._jobs: dict[int, bytes] = {}
        self._apps = {
            (adapter, keyed): _service(express=adapter in ("wsgi", "asgi"), keyed=keyed)
            for adapter in dict.fromkeys(ADAPTERS)
            for keyed in (True, False)
        }

    @property
    def services(self) -> int:
        """How many services the process has."""
        return len(self._apps)

    def request(self, index: int) -> Fuzzed:
        """Return the request of a number: the same whenever it is asked for."""
        random = Random(f"{self.seed}/{index}")
        request = mutated(random, self._seeds)
        if index % _KEYED == 0 and random.random() < 0.8:
            request = request.with_headers(KEY_HEADER)
        return request.deliverable()

    def run(self, numbers: Iterable[int]) -> None:
        """Send the requests of these numbers."""
        with _alarm():
            for index in numbers:
                self._send_and_judge(index)
                if len(self.findings) >= MOST_FINDINGS:
                    return

    def _send_and_judge(self, index: int) -> None:
        request, adapter = self.request(index), ADAPTERS[index % len(ADAPTERS)]
        signal.alarm(_HANG_SECONDS)
        try:
            answer, fault = self.try_one(adapter, request, keyed=index % _KEYED == 0)
        except Hanging:
            fault = ("hangs", f"no answer after {_HANG_SECONDS} s")
        else:
            self.statuses[answer.status] += 1
        if fault is not None:
            kind, details = fault
            self.findings.setdefault(kind, Finding(index, adapter, request, kind, details))

    def try_one(
        self, adapter: str, request: Fuzzed, *, keyed: bool = False
    ) -> tuple[Answer, tuple[str, str] | None]:
        """Send a request through one adapter; return the answer, and what is wrong with it."""
        app = self._apps[adapter, keyed]
        request = self._with_job(app, request)
        self._logged.clear()
        answer = self._send(adapter, app, request)
        self._remember_job(app, answer)
        return answer, fault_of(request, answer, self._logged.errors) or self._slow(
            adapter, app, request, answer
        )

    def _send(self, adapter: str, app: ServingFlask, request: Fuzzed) -> Answer:
        return (self._loop.send if adapter.startswith("asgi") else send_wsgi)(app, request)

    def _slow(
        self, adapter: str, app: ServingFlask, request: Fuzzed, answer: Answer
    ) -> tuple[str, str] | None:
        """Return that a request takes too much of a processor, which several trials have to show."""
        limit, seconds = limit_of(request, answer), answer.cpu
        for _ in range(3):
            if seconds <= limit:
                return None
            with own_garbage():
                cpu = self._send(adapter, app, request).cpu
            seconds = min(seconds, cpu / reference.slowness())
        if seconds <= limit:
            return None
        path = request.target[:12].decode("latin-1")
        return f"slow at {path}", f"{seconds:.3f} s of CPU for {request.size:,} bytes"

    def _with_job(self, app: ServingFlask, request: Fuzzed) -> Fuzzed:
        """Return a request with the id of the service's last job in it."""
        if JOB not in request.target and JOB not in request.body:
            return request
        job = self._jobs.get(id(app), b"0" * 32)
        return replace(request, target=request.target.replace(JOB, job), body=request.body.replace(JOB, job))

    def _remember_job(self, app: ServingFlask, answer: Answer) -> None:
        if answer.status == 202 and (found := _JOB_ID.search(answer.body)):
            self._jobs[id(app)] = found[1]

    def close(self) -> None:
        """Give back what the run has taken."""
        self._loop.close()
        self._logged.close()


def _service(*, express: bool, keyed: bool) -> ServingFlask:
    keys = {"MODEL_SERVING_API_KEYS": f"alice:{service.KEY},admin:bob:other"} if keyed else {}
    more = service.OPEN_ENVIRONMENT if keyed else {}
    environ = {**service.ENVIRONMENT, **keys, **more, "MODEL_SERVING_EXPRESS": str(int(express))}
    with mock.patch.dict(os.environ, environ):
        return service.service()


class _Logged(logging.Handler):
    """Keeps the exceptions that the library logs as its own."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.errors: list[BaseException] = []
        self._logger = logging.getLogger("aylien_model_serving.dispatch.error_responses")
        self._logger.addHandler(self)
        self._logger.setLevel(logging.ERROR)
        self._logger.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            self.errors.append(record.exc_info[1])

    def clear(self) -> None:
        self.errors.clear()

    def close(self) -> None:
        self._logger.removeHandler(self)
        self._logger.setLevel(logging.NOTSET)
        self._logger.propagate = True
        super().close()


@contextmanager
def _alarm() -> Iterator[None]:
    """Raise `Hanging` in the main thread when the alarm that a request has set goes off."""

    def ring(*_: Any) -> None:
        raise Hanging

    before = signal.signal(signal.SIGALRM, ring)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def numbers(count: int | None, seconds: float | None, first: int = 0) -> Iterator[int]:
    """Count up to a number of requests, or until so many seconds are over."""
    until = None if seconds is None else time.monotonic() + seconds
    for index in itertools.count(first):
        if (count is not None and index >= first + count) or (until is not None and time.monotonic() > until):
            return
        yield index
