"""Connections to permitted addresses: which are tried, in which order, and for how long."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from aylien_model_serving.egress import connector
from aylien_model_serving.egress.addresses import is_public
from aylien_model_serving.egress.connector import (
    MAX_ADDRESSES,
    AddressNotPermitted,
    ConnectionFailed,
    Connector,
    HostNotFound,
    any_address,
)
from aylien_model_serving.egress.deadline import Deadline
from aylien_model_serving.egress.parsed_url import ParsedURL
from tests.egress.origin import PUBLIC, PUBLIC_6, Network, Origin, answer

HOST = "files.example"
URL = ParsedURL(secure=False, host=HOST, port=80, path="/")


def deadline(seconds: float = 8.0) -> Deadline:
    return Deadline(seconds, clock=lambda: 0.0)


def refusing(tried: list[tuple[str, float]]) -> Any:
    """Return a connector of sockets that fails, and notes which address it was given for how many seconds."""

    def connect(address: str, port: int, seconds: float) -> socket.socket:
        tried.append((address, seconds))
        raise ConnectionRefusedError

    return connect


def test_the_system_resolver_gives_each_address_once(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [(socket.AF_INET, 1, 6, "", (PUBLIC, 80))] * 2 + [
        (socket.AF_INET6, 1, 6, "", (PUBLIC_6, 80, 0, 0))
    ]
    monkeypatch.setattr(connector.socket, "getaddrinfo", lambda *_, **__: entries)

    assert connector.resolve(HOST, 80, 5) == [PUBLIC, PUBLIC_6]


def test_an_error_of_the_system_resolver_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise socket.gaierror("no such name")

    monkeypatch.setattr(connector.socket, "getaddrinfo", fail)

    with pytest.raises(socket.gaierror):
        connector.resolve("none.example", 80, 5)


def test_a_connection_goes_to_the_very_address() -> None:
    with Origin(answer(b"")) as origin, connector.connect("127.0.0.1", origin.port, 5) as sock:
        assert sock.getpeername() == ("127.0.0.1", origin.port)


def test_a_name_without_an_address_is_not_found() -> None:
    with Origin(answer(b"")) as origin, pytest.raises(HostNotFound, match="no such name"):
        Connector(any_address, Network(origin, {}).resolve).open(URL, deadline())


@pytest.mark.parametrize("found", [["127.0.0.1"], [PUBLIC, "10.0.0.1"]], ids=" ".join)
def test_one_address_that_is_not_permitted_refuses_the_name(found: list[str]) -> None:
    tried: list[tuple[str, float]] = []

    with pytest.raises(AddressNotPermitted):
        Connector(is_public, lambda *_: found, refusing(tried)).open(URL, deadline())

    assert tried == []


def test_an_address_in_the_url_is_checked_and_not_resolved() -> None:
    with Origin(answer(b"")) as origin:
        network = Network(origin, {})
        guarded = Connector(is_public, network.resolve, network.connect)
        literal = URL._replace(host="127.0.0.1", address=connector.ipaddress.IPv4Address("127.0.0.1"))

        with pytest.raises(AddressNotPermitted):
            guarded.open(literal, deadline())

    assert network.resolved == network.connected == []


def test_where_every_address_is_permitted_loopback_is_connected_to() -> None:
    with Origin(answer(b"")) as origin:
        network = Network(origin, {HOST: ["127.0.0.1"]})

        Connector(any_address, network.resolve, network.connect).open(URL, deadline()).close()

    assert network.connected == [("127.0.0.1", 80)]


def test_an_address_leaves_the_others_their_share_of_the_time() -> None:
    tried: list[tuple[str, float]] = []
    found = [f"192.0.2.{number}" for number in range(MAX_ADDRESSES)]

    with pytest.raises(ConnectionFailed):
        Connector(any_address, lambda *_: found, refusing(tried)).open(URL, deadline(12.0))

    assert tried == list(zip(found, [3.0, 4.0, 6.0, 12.0], strict=True))


def test_no_more_than_four_addresses_are_tried() -> None:
    tried: list[tuple[str, float]] = []
    found = [f"192.0.2.{number}" for number in range(20)]

    with pytest.raises(ConnectionFailed):
        Connector(any_address, lambda *_: found, refusing(tried)).open(URL, deadline())

    assert [address for address, _ in tried] == found[:4]
