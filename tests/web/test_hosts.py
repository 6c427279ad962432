"""Which values of Host are answered, by what a service listens on or by the operator's list."""

from __future__ import annotations

import pytest

from aylien_model_serving.errors import HostNotAllowed
from aylien_model_serving.process.listeners import Listener
from aylien_model_serving.web.hosts import Address, AllowedHosts

PORT = 8000
LOCAL = [Listener("127.0.0.1", PORT)]
EVERYWHERE = [Listener("0.0.0.0", PORT)]

#: Where a server says that a local client's request arrived, whatever it listens on.
ARRIVED = Address("127.0.0.1", PORT)


def is_allowed(
    host: str | None,
    *allowed: str,
    listening: list[Listener] | None = LOCAL,
    server: Address = ARRIVED,
) -> bool:
    hosts = AllowedHosts(allowed, lambda: listening)
    try:
        for _ in range(2):  # also by what is kept of the first time
            hosts.check(host, server)
    except HostNotAllowed:
        return False
    return True


LOOPBACK_NAMES = [
    "localhost",
    "localhost:8000",
    "LocalHost:8000",
    "localhost.:8000",
    "models.localhost:8000",
    "127.0.0.1",
    "127.0.0.1:8000",
    "127.1.2.3",
    "[::1]",
    "[::1]:8000",
    "[::ffff:127.0.0.1]:8000",
]

FOREIGN_NAMES = [
    "evil.example",
    "evil.example:8000",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "evillocalhost",
    "192.168.1.5:8000",
    "[2001:db8::1]:8000",
    "",
    " ",
    "localhost,evil.example",
    "evil.example,localhost",
    "localhost:8000@evil.example",
    "evil.example/.localhost",
    "evil.example#.localhost",
    "localhost:port",
    "[::1",
    "[::1]evil.example",
    "[localhost]",
    "::1",
    "loc\u0430lhost",
]


@pytest.mark.parametrize("host", LOOPBACK_NAMES)
def test_a_local_service_answers_names_of_this_machine(host: str) -> None:
    assert is_allowed(host)


@pytest.mark.parametrize("host", FOREIGN_NAMES)
def test_a_local_service_answers_no_other_name(host: str) -> None:
    assert not is_allowed(host)


@pytest.mark.parametrize("host", [*LOOPBACK_NAMES, *FOREIGN_NAMES])
def test_a_service_that_others_reach_answers_every_name(host: str) -> None:
    assert is_allowed(host, listening=EVERYWHERE)


@pytest.mark.parametrize("listening", [LOCAL, EVERYWHERE, [], None])
def test_a_client_without_a_host_is_no_browser(listening: list[Listener] | None) -> None:
    assert is_allowed(None, listening=listening)


@pytest.mark.parametrize(
    ("listening", "allowed"),
    [
        ([Listener("127.0.0.1", PORT), Listener("0.0.0.0", 9000)], False),
        ([Listener("0.0.0.0", PORT), Listener("127.0.0.1", 9000)], True),
        ([Listener("127.0.0.1", PORT), Listener("10.0.0.5", PORT)], True),
        ([Listener("127.0.0.1", PORT), Listener("::1", PORT)], False),
        ([Listener("", 0), Listener("127.0.0.1", PORT)], False),
    ],
)
def test_what_counts_is_the_socket_at_which_the_request_arrived(
    listening: list[Listener], allowed: bool
) -> None:
    assert is_allowed("evil.example", listening=listening) == allowed


@pytest.mark.parametrize(
    ("listening", "server", "allowed"),
    [
        ([Listener("", 0)], Address("evil.example", 80), True),
        ([Listener("", 0)], Address("/run/service.sock", 0), True),
        ([], Address("localhost", 80), True),
        ([], Address("testserver", 80), True),
        ([], Address("127.0.0.1", PORT), False),
        ([], Address("::1", PORT), False),
        (LOCAL, Address("127.0.0.1", 1), False),
        (None, Address("127.0.0.1", PORT), False),
        (None, Address("localhost", PORT), False),
        (None, Address("0.0.0.0", PORT), True),
        (None, Address("", 0), True),
    ],
    ids=[
        "unix",
        "unix, asgi",
        "a test of Flask's",
        "a test of Starlette's",
        "not seen",
        "not seen, IPv6",
        "a port told by a proxy",
        "no proc",
        "no proc, by name",
        "no proc, open",
        "unknown",
    ],
)
def test_a_port_that_nothing_listens_at(
    listening: list[Listener] | None, server: Address, allowed: bool
) -> None:
    assert is_allowed("evil.example", listening=listening, server=server) == allowed


@pytest.mark.parametrize(
    ("allowed", "host"),
    [
        ("api.example.com", "api.example.com"),
        ("api.example.com", "API.example.com:443"),
        ("api.example.com", "api.example.com."),
        (".example.com", "example.com"),
        (".example.com", "a.b.example.com:8000"),
        ("*.example.com", "a.example.com"),
        ("10.1.2.3", "10.1.2.3:8000"),
        ("10.0.0.0/8", "10.9.8.7:8000"),
        ("2001:db8::/32", "[2001:db8::7]:8000"),
        ("*", "anything.example"),
        ("*", "?"),
    ],
)
@pytest.mark.parametrize("listening", [LOCAL, EVERYWHERE])
def test_a_listed_host_is_answered(allowed: str, host: str, listening: list[Listener]) -> None:
    assert is_allowed(host, "other.example", allowed, listening=listening)


@pytest.mark.parametrize(
    ("allowed", "host"),
    [
        ("api.example.com", "localhost"),
        ("api.example.com", "example.com"),
        ("api.example.com", "api.example.com.evil.example"),
        (".example.com", "evilexample.com"),
        (".example.com", "evil/.example.com"),
        ("*.example.com", "example.com"),
        ("10.0.0.0/8", "11.0.0.1"),
        ("10.0.0.0/8", "10.0.0.1.evil.example"),
        ("api.example.com", ""),
    ],
)
@pytest.mark.parametrize("listening", [LOCAL, EVERYWHERE])
def test_no_other_host_is_answered_beside_a_list(allowed: str, host: str, listening: list[Listener]) -> None:
    assert not is_allowed(host, allowed, listening=listening)


def test_a_refusal_names_the_cure_and_cuts_the_host() -> None:
    with pytest.raises(HostNotAllowed) as refused:
        AllowedHosts((), lambda: LOCAL).check("x" * 8000, ARRIVED)

    assert "MODEL_SERVING_ALLOWED_HOSTS" in str(refused.value)
    assert len(str(refused.value)) < 300


def test_clients_that_make_up_hosts_fill_no_memory() -> None:
    hosts = AllowedHosts((), lambda: EVERYWHERE)

    for number in range(3000):
        hosts.check(f"host-{number}", ARRIVED)
    hosts.check("x" * 8000, ARRIVED)

    assert len(hosts.known) < 2500
    assert max(len(host) for host in hosts.known if host) < 200


def test_the_process_is_asked_once() -> None:
    asked: list[int] = []
    hosts = AllowedHosts((), lambda: asked.append(1) or EVERYWHERE)  # type: ignore[func-returns-value]

    for number in range(5):
        hosts.check(f"host-{number}", ARRIVED)

    assert asked == [1]


@pytest.mark.parametrize(
    ("told", "address"),
    [
        (("127.0.0.1", 8000), Address("127.0.0.1", 8000)),
        (("0.0.0.0", "8000"), Address("0.0.0.0", 8000)),
        (("/run/service.sock", None), Address("/run/service.sock", 0)),
        ((None, "9" * 5000), Address("", 0)),
        (("service", "-1"), Address("service", 0)),
    ],
)
def test_what_servers_tell_of_themselves(told: tuple[object, object], address: Address) -> None:
    assert Address.of(*told) == address
