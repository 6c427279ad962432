"""Clients that keep a service busy as well-behaved ones do, and note each call that failed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

from tests.services.raw_http import Connection, post
from tests.services.serving import Service


class Failure(NamedTuple):
    """When a call failed, and how: by its status, "no answer", "no connection", or the error's name."""

    at: float
    how: str


class Client:
    """Asks over one connection until it is told to close it, again and again.

    Args:
        service: the service.
        path: what it asks.
        fields: of each request.
        pause: seconds between an answer and the next request.
    """

    def __init__(
        self,
        service: Service,
        path: str = "/",
        fields: Mapping[str, object] | None = None,
        pause: float = 0.0,
    ) -> None:
        self._port = service.port
        self._request = post({"text": "x"} if fields is None else fields, path=path)
        self._pause = pause
        self._connection: Connection | None = None
        self.answered = 0
        self.failures: list[Failure] = []

    def run(self, is_over: threading.Event) -> None:
        while not is_over.is_set():
            self._ask()
            if self._pause:
                time.sleep(self._pause)
        self._leave()

    def _ask(self) -> None:
        try:
            self._connection = self._connection or Connection(self._port)
            answer = self._connection.ask(self._request)
        except OSError as error:
            self._fail("no connection" if self._connection is None else type(error).__name__)
            self._leave()
            return
        if answer is None:
            self._fail("no answer")
        elif answer.status != 200:
            self._fail(str(answer.status))
        else:
            self.answered += 1
        if answer is None or answer.headers.get("connection") == "close":
            self._leave()

    def _fail(self, how: str) -> None:
        self.failures.append(Failure(time.monotonic(), how))

    def _leave(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@contextmanager
def asking(clients: Sequence[Client]) -> Iterator[None]:
    """Have clients ask until the block ends."""
    is_over = threading.Event()
    with ThreadPoolExecutor(len(clients)) as pool:
        running = [pool.submit(client.run, is_over) for client in clients]
        try:
            yield
        finally:
            is_over.set()
    for done in running:
        done.result()


def answered(clients: Sequence[Client]) -> int:
    return sum(client.answered for client in clients)


def failures(clients: Sequence[Client]) -> list[Failure]:
    return [failure for client in clients for failure in client.failures]
