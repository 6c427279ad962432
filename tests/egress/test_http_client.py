"""One request: what is sent, what is read, and when it ends."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from aylien_model_serving.egress.connector import Connector, any_address
from aylien_model_serving.egress.deadline import Deadline
from aylien_model_serving.egress.http_client import MAX_OVERHEAD, HTTPClient, ResponseTooLarge
from aylien_model_serving.egress.parsed_url import ParsedURL
from tests.egress.origin import Network, Origin, answer, redirect

HOST = "receiver.example"


def url(port: int = 8080, path: str = "/done?of=me") -> ParsedURL:
    return ParsedURL(secure=False, host=HOST, port=port, path=path)


def client(origin: Origin, max_bytes: int = 1000) -> HTTPClient:
    network = Network(origin, {HOST: ["127.0.0.1"]})
    return HTTPClient(Connector(any_address, network.resolve, network.connect), max_bytes)


def status_of(
    origin: Origin, method: str = "GET", *, seconds: float = 5, body: bytes | None = None, **headers: str
) -> int:
    with client(origin).send(method, url(), Deadline(seconds), headers, body) as response:
        return response.status


def test_a_request_names_the_host_and_declares_its_body() -> None:
    with Origin(answer(b"")) as origin:
        assert status_of(origin, "POST", body=b"{}", Own="1") == 200

    [request] = origin.requests
    assert request.splitlines()[0] == "POST /done?of=me HTTP/1.1"
    assert {
        f"Host: {HOST}:8080",
        "User-Agent: model-serving",
        "Accept-Encoding: identity",
        "Connection: close",
        "Content-Length: 2",
        "Own: 1",
    } <= set(request.splitlines())


def test_the_port_of_the_scheme_is_left_out_of_the_host() -> None:
    with Origin(answer(b"")) as origin, client(origin).send("GET", url(80), Deadline(5), {}):
        pass

    assert f"Host: {HOST}" in origin.requests[0].splitlines()


def test_a_redirect_is_an_answer_like_any_other() -> None:
    with Origin(redirect("http://elsewhere.example/")) as origin:
        assert status_of(origin, "POST", body=b"{}") == 302

    assert len(origin.requests) == 1


def test_a_body_may_be_read_until_the_connection_ends() -> None:
    with Origin(answer(b"bytes")) as origin, client(origin).send("GET", url(), Deadline(5), {}) as response:
        assert response.read() == b"bytes"


def test_bytes_beyond_the_limit_end_the_reading() -> None:
    with (
        Origin(answer(bytes(2 * MAX_OVERHEAD))) as origin,
        client(origin).send("GET", url(), Deadline(5), {}) as response,
        pytest.raises(ResponseTooLarge, match="bytes that are taken"),
    ):
        response.read()


def test_a_header_that_would_break_the_request_is_refused() -> None:
    with Origin(answer(b"")) as origin, pytest.raises(ValueError, match="header"):
        status_of(origin, Own="1\r\nInjected: 1")

    assert origin.requests in ([], [""])


def test_a_server_that_sends_a_byte_at_a_time_is_left_at_the_deadline() -> None:
    gone = threading.Event()

    def drip(connection: socket.socket) -> None:
        while not gone.wait(0.02):
            connection.sendall(b"H")

    since = time.monotonic()
    with Origin(drip) as origin, pytest.raises(TimeoutError):
        status_of(origin, seconds=0.2)
    gone.set()

    assert time.monotonic() - since < 5
