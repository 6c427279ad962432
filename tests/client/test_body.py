"""A body that ends or breaks releases its connection at once, not at the end of the whole operation."""

import json
from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest

from aylien_model_serving.client import Client, ConnectionLost
from aylien_model_serving.client._sync.body import BodyReader
from tests.client.callers import NAMES, connected

URL = "http://service.test/"
EVENTS = {"content-type": "text/event-stream"}
EVENTS_CONTENT: dict[str, object] = {"text/event-stream": {}}
ITEM = b'data: "a"\n\n'
END = b'event: finished\ndata: {"job_id": "j", "status": "finished"}\n\n'


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body of some pieces, after which the connection may break."""

    def __init__(self, *pieces: bytes, breaks: bool = False) -> None:
        self._pieces = pieces
        self._breaks = breaks
        self.is_open = True

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces
        if self._breaks:
            raise httpx.ReadError("broken")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece

    def close(self) -> None:
        self.is_open = False

    async def aclose(self) -> None:
        self.is_open = False


def answering(bodies: list[Body]) -> Callable[[httpx.Request], httpx.Response]:
    """Return a service of one job, which opens a body only where those before it are closed."""
    coming = iter(bodies)
    opened: list[Body] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path != "/stream/j":
            reported = json.dumps({"job_id": "j", "status": "streaming"})
            return httpx.Response(200, headers={"content-type": "application/json"}, content=reported)
        assert not any(body.is_open for body in opened)
        opened.append(next(coming))
        return httpx.Response(200, headers=EVENTS, stream=opened[-1])

    return answer


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("breaks", [True, False])
def test_a_jobs_items_need_one_connection_though_it_breaks(kind: str, breaks: bool) -> None:
    bodies = [Body(ITEM, breaks=breaks), Body(ITEM, ITEM, END)]
    transport = httpx.MockTransport(answering(bodies))

    with connected(kind, URL, http_transport=transport, max_connections=1, timeout=5) as caller:
        items = caller.items(caller.run(caller.client.job("j")))

    assert items == ["a", "a"]
    assert not any(body.is_open for body in bodies)


def test_a_connection_that_breaks_in_a_stream_is_free_while_the_error_is_handled() -> None:
    transport = httpx.MockTransport(answering([Body(ITEM, breaks=True), Body(END)]))

    with Client(URL, http_transport=transport, max_connections=1, timeout=0.1) as client:
        items = iter(client.job("j"))

        assert next(items) == "a"
        assert list(items) == []


def test_a_body_that_can_not_be_closed_releases_its_connection_once() -> None:
    released: list[str] = []

    def fail() -> None:
        released.append("once")
        raise httpx.CloseError("it is broken")

    response = httpx.Response(200, stream=Body(breaks=True), request=httpx.Request("GET", URL))
    response.request.extensions["timeout"] = {}
    reader = BodyReader(response, URL, fail)

    with pytest.raises(ConnectionLost):
        reader.read(1)
    reader.close()

    assert released == ["once"]


def test_a_stream_that_is_dropped_releases_its_connection() -> None:
    operation = {"operationId": "count", "responses": {"200": {"content": EVENTS_CONTENT}}}
    document = {"info": {"title": ""}, "paths": {"/count": {"get": operation}}}

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/openapi.json":
            return httpx.Response(200, json=document)
        return httpx.Response(200, headers=EVENTS, stream=Body(ITEM, ITEM))

    transport = httpx.MockTransport(answer)
    with Client(URL, http_transport=transport, max_connections=1, timeout=0.1) as client:
        client.count()
        next(client.count())

        assert list(client.count()) == ["a", "a"]
