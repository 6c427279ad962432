"""Large bodies and results under an ASGI server: what is done beside the loop, and what becomes of it."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from aylien_model_serving import codecs
from aylien_model_serving.core.messages import current_request_id
from aylien_model_serving.process import large_work
from aylien_model_serving.process.large_work import LARGE
from tests.contracts.adapters import REQUEST_ID
from tests.contracts.cases import post, send
from tests.web.asgi_client import (
    NEEDS_A_LOOP,
    PATIENCE_SECONDS,
    Client,
    counted,
    run,
    send_request,
    service,
    until,
)

pytestmark = NEEDS_A_LOOP

LARGE_FIELDS = {"rows": [[0.5, 1.5]] * (LARGE // 8)}


def count(rows: list[list[float]], **rest: Any) -> dict[str, Any]:
    return {"rows": len(rows)}


class Watched:
    """`codecs.decode`, with the threads and the request ids of its calls; waits if it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.threads: list[str] = []
        self.ids: list[str] = []
        self.open = threading.Event()
        self.open.set()
        self._decode = codecs.decode
        monkeypatch.setattr(codecs, "decode", self)

    def __call__(self, *arguments: Any) -> Any:
        self.threads.append(threading.current_thread().name)
        self.ids.append(current_request_id.get())
        assert self.open.wait(PATIENCE_SECONDS)
        return self._decode(*arguments)


@pytest.fixture
def decode(monkeypatch: pytest.MonkeyPatch) -> Watched:
    return Watched(monkeypatch)


def test_a_large_body_is_decoded_beside_the_loop_within_its_request(decode: Watched) -> None:
    app = service(count)

    async def scenario() -> None:
        large = await send_request(app, post("/", LARGE_FIELDS))
        small = await send_request(app, post("/", {"rows": [[1.0]]}))

        assert (large.status, json.loads(large.body)) == (200, {"rows": len(LARGE_FIELDS["rows"])})
        assert (small.status, json.loads(small.body)) == (200, {"rows": 1})

    run(scenario())

    assert [name.startswith("model-serving-large") for name in decode.threads] == [True, False]
    assert decode.ids == [REQUEST_ID, REQUEST_ID]
    assert counted(app, 200) == 2


def test_a_small_body_that_is_compressed_is_unpacked_beside_the_loop(decode: Watched) -> None:
    app = service(count)
    packed = gzip.compress(json.dumps(LARGE_FIELDS).encode())

    async def scenario() -> None:
        answer = await send_request(app, send("/", packed, ("content-encoding", "gzip")))

        assert (answer.status, json.loads(answer.body)) == (200, {"rows": len(LARGE_FIELDS["rows"])})

    run(scenario())

    assert len(packed) < LARGE
    assert [name.startswith("model-serving-large") for name in decode.threads] == [True]


def test_others_are_answered_while_a_large_body_is_decoded(decode: Watched) -> None:
    app = service(count)
    decode.open.clear()

    async def scenario() -> None:
        large = Client(app, post("/", LARGE_FIELDS))
        await until(lambda: decode.threads)
        health = await send_request(app, post("/none"))
        assert health.status == 404
        decode.open.set()
        await large.end()
        assert large.status == 200

    run(scenario())


@pytest.mark.parametrize("fields", [{"rows": [["a", "b"]] * (LARGE // 4)}, {"lines": "a" * LARGE}])
def test_a_large_body_that_does_not_fit_is_refused_as_ever(fields: dict[str, Any]) -> None:
    async def scenario() -> None:
        client = await send_request(service(count), post("/", fields))

        assert client.status == 400

    run(scenario())


def test_a_client_that_leaves_while_its_body_is_decoded_never_reaches_the_handler(decode: Watched) -> None:
    called: list[int] = []
    app = service(lambda rows: called.append(len(rows)))
    decode.open.clear()

    async def scenario() -> None:
        client = Client(app, post("/", LARGE_FIELDS))
        await until(lambda: decode.threads)
        client.leave()
        asyncio.get_running_loop().call_later(0.2, decode.open.set)
        await client.end()

        assert client.sent == []

    run(scenario())

    assert called == []
    assert counted(app, 499) == 1


def test_a_large_result_is_encoded_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []

    class Row:
        def model_dump(self, **options: Any) -> dict[str, Any]:
            threads.append(threading.current_thread().name)
            return {"a": 1}

    async def make(count: int) -> dict[str, Any]:
        return {"rows": [Row()] * count}

    app = service(make)

    async def scenario() -> None:
        large = await send_request(app, post("/", {"count": LARGE // 4}))
        assert (large.status, len(json.loads(large.body)["rows"])) == (200, LARGE // 4)
        assert all(name.startswith("model-serving-large") for name in threads)
        threads.clear()

        await send_request(app, post("/", {"count": 2}))
        assert not any(name.startswith("model-serving-large") for name in threads)

    run(scenario())


def test_an_async_handler_with_a_large_body_runs_on_the_loop() -> None:
    loops: list[object] = []

    async def remember(rows: list[list[float]]) -> dict[str, Any]:
        loops.append(asyncio.get_running_loop())
        return {"rows": len(rows)}

    async def scenario() -> None:
        client = await send_request(service(remember), post("/", LARGE_FIELDS))

        assert client.status == 200
        assert loops == [asyncio.get_running_loop()]

    run(scenario())


def test_a_handler_that_fails_on_a_large_body_is_a_500() -> None:
    def fail(rows: list[list[float]]) -> None:
        raise ValueError("no")

    async def scenario() -> None:
        client = await send_request(service(fail), post("/", LARGE_FIELDS))

        assert client.status == 500

    run(scenario())


def test_a_stream_whose_client_leaves_before_it_has_begun_gives_the_handlers_slot_back() -> None:
    ready, busy = threading.Event(), threading.Event()

    def stream(rows: list[list[float]]) -> Iterator[int]:
        yield len(rows)

    def prepare(rows: list[list[float]]) -> Iterator[int]:
        for _ in range(large_work.THREADS):
            large_work.submit(busy.wait, PATIENCE_SECONDS)
        ready.set()
        return stream(rows)

    app = service(prepare, threads=1)

    async def scenario() -> None:
        client = Client(app, post("/", LARGE_FIELDS))
        await until(ready.is_set)
        await until(lambda: large_work._pool()._work_queue.qsize() > 0)
        client.leave()
        await client.end()
        busy.set()

        assert (await send_request(app, post("/", {"rows": [[1.0]]}))).status == 200

    run(scenario())
