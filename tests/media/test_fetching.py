"""Files from URLs: what is fetched, what is limited, and the usual attacks on the checks (SSRF)."""

from __future__ import annotations

import gzip
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from aylien_model_serving.egress import connector
from aylien_model_serving.media import fetching
from aylien_model_serving.media.errors import NotFetched, TooLarge
from aylien_model_serving.media.fetching import Fetcher
from tests.egress.origin import PUBLIC, PUBLIC_6, Answer, Network, Origin, answer, redirect
from tests.with_packages import lack

HOST = "files.example"
NAMES: dict[str, Sequence[str] | list[list[str]]] = {HOST: [PUBLIC]}
MAX_BYTES = 100_000


class Ticking:
    """A clock that goes on by a second whenever it is read."""

    def __init__(self) -> None:
        self._now = 0.0

    def __call__(self) -> float:
        self._now += 1
        return self._now


def fetcher(network: Network, **keys: Any) -> Fetcher:
    settings: dict[str, Any] = {"max_bytes": MAX_BYTES, "seconds": 30, **keys}
    return Fetcher(**{"resolve": network.resolve, "connect": network.connect, **settings})


def fetch(
    url: str, *answers: Answer, names: Any = NAMES, **keys: Any
) -> tuple[fetching.FetchedFile, Network]:
    with Origin(*answers) as origin:
        network = Network(origin, names)
        return fetcher(network, **keys).fetch(url), network


def refused(url: str, *answers: Answer, names: Any = NAMES, match: str | None = None, **keys: Any) -> Network:
    with Origin(*answers) as origin:
        network = Network(origin, names)
        with pytest.raises(NotFetched, match=match):
            fetcher(network, **keys).fetch(url)
    return network


def test_a_file_is_fetched_from_the_address_that_was_checked() -> None:
    found, network = fetch(f"http://{HOST}:8080/a.png", answer(b"bytes", "Content-Type: image/png"))

    assert found == (b"bytes", "image/png")
    assert network.resolved == [HOST]
    assert network.connected == [(PUBLIC, 8080)]


def test_the_request_has_the_host_name_and_accepts_no_content_coding() -> None:
    with Origin(answer(b"bytes")) as origin:
        fetcher(Network(origin, NAMES)).fetch(f"http://{HOST}:8080/a/ü?b=c#d")

    [request] = origin.requests
    assert request.splitlines()[0] == "GET /a/%C3%BC?b=c HTTP/1.1"
    assert f"Host: {HOST}:8080" in request.splitlines()
    assert "Accept-Encoding: identity" in request.splitlines()


@pytest.mark.parametrize("body", [b"", b"a", bytes(MAX_BYTES)])
def test_a_file_of_every_allowed_size_is_fetched(body: bytes) -> None:
    assert fetch(f"http://{HOST}/", answer(body))[0].content == body


def test_a_file_in_chunks_is_fetched() -> None:
    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"

    assert fetch(f"http://{HOST}/", chunks)[0].content == b"abcde"


def test_a_file_whose_length_is_not_declared_is_fetched() -> None:
    assert fetch(f"http://{HOST}/", b"HTTP/1.0 200 OK\r\n\r\nabc")[0].content == b"abc"


def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    with Origin(answer(b"bytes")) as origin:
        network = Network(origin, {HOST: [PUBLIC_6, PUBLIC]})

        def connect(address: str, port: int, seconds: float) -> socket.socket:
            if address == PUBLIC_6:
                raise ConnectionRefusedError
            return network.connect(address, port, seconds)

        found = Fetcher(MAX_BYTES, 30, network.resolve, connect).fetch(f"http://{HOST}/")

    assert found.content == b"bytes"


INSIDE = [
    ["127.0.0.1"],
    ["10.0.0.1"],
    ["169.254.169.254"],
    ["::1"],
    ["::ffff:10.0.0.1"],
    ["64:ff9b::7f00:1"],
    ["2002:7f00:1::"],
    ["fe80::1%eth0"],
    ["fd00::1"],
    [PUBLIC, "192.168.0.1"],
]


@pytest.mark.parametrize("found", INSIDE, ids=" ".join)
def test_a_name_with_a_private_address_is_never_connected_to(found: list[str]) -> None:
    network = refused(f"http://{HOST}/", answer(b"secret"), names={HOST: found}, match="not public")

    assert network.connected == []


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "2130706433", "0x7f.1", "017700000001", "[::1]", "[::ffff:127.0.0.1]", "127.1"]
)
def test_a_private_address_is_neither_resolved_nor_connected_to(host: str) -> None:
    network = refused(f"http://{host}/", answer(b"secret"), match="not public")

    assert network.resolved == network.connected == []


def test_a_name_whose_address_changes_is_resolved_once() -> None:
    found, network = fetch(f"http://{HOST}/", answer(b"bytes"), names={HOST: [[PUBLIC], ["127.0.0.1"]]})

    assert found.content == b"bytes"
    assert network.resolved == [HOST]
    assert network.connected == [(PUBLIC, 80)]


def test_a_name_whose_address_changes_between_redirects_is_checked_again() -> None:
    network = refused(
        f"http://{HOST}/", redirect("/again"), names={HOST: [[PUBLIC], ["127.0.0.1"]]}, match="not public"
    )

    assert network.connected == [(PUBLIC, 80)]


@pytest.mark.parametrize(
    "to",
    [
        "http://127.0.0.1/",
        "//127.0.0.1/",
        "http://2130706433/",
        "http://[::ffff:7f00:1]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://inside.example/",
        "https://inside.example/",
    ],
)
@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 Temporary", "308 Permanent"])
def test_a_redirect_to_a_private_address_is_not_followed(to: str, status: str) -> None:
    names = {HOST: [PUBLIC], "inside.example": ["10.0.0.1"]}

    network = refused(f"http://{HOST}/", redirect(to, status), names=names, match="not public")

    assert network.connected == [(PUBLIC, 80)]


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://files.example/", "http://a:b@files.example/"])
def test_a_redirect_to_what_is_no_url_of_a_file_is_not_followed(to: str) -> None:
    network = refused(f"http://{HOST}/", redirect(to))

    assert network.connected == [(PUBLIC, 80)]


def test_a_redirect_is_followed_relative_to_its_own_url() -> None:
    with Origin(redirect("../b?c"), answer(b"bytes")) as origin:
        found = fetcher(Network(origin, NAMES)).fetch(f"http://{HOST}/d/e/f")

    assert found.content == b"bytes"
    assert [request.split()[1] for request in origin.requests] == ["/d/e/f", "/d/b?c"]


@pytest.mark.parametrize(
    ("sent", "path"),
    [
        ("/größe?ä=ö".encode(), "/gr%C3%B6%C3%9Fe?%C3%A4=%C3%B6"),
        ("/größe".encode("latin-1"), "/gr%F6%DFe"),
        ("http://bücher.example/".encode(), "/"),
        (b"/a%20b?c=%2F", "/a%20b?c=%2F"),
    ],
)
def test_a_redirect_is_followed_whatever_its_bytes(sent: bytes, path: str) -> None:
    moved = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + sent + b"\r\n\r\n"
    with Origin(moved, answer(b"bytes")) as origin:
        network = Network(origin, {HOST: [PUBLIC], "xn--bcher-kva.example": [PUBLIC]})
        found = fetcher(network).fetch(f"http://{HOST}/d")

    assert found.content == b"bytes"
    assert [request.split()[1] for request in origin.requests] == ["/d", path]


@pytest.mark.parametrize(
    "interim",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\nContent-Length: 3\r\n\r\n",
        b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n",
    ],
)
def test_interim_responses_are_passed_over(interim: bytes) -> None:
    assert fetch(f"http://{HOST}/", interim + answer(b"bytes"))[0].content == b"bytes"


def test_a_length_that_stands_twice_is_the_same_length() -> None:
    assert fetch(f"http://{HOST}/", answer(b"bytes", "Content-Length: 5"))[0].content == b"bytes"


AMBIGUOUS = [
    "Content-Length: 6",
    "Content-Length: 5, 6",
    "Content-Length: +5",
    "Content-Length: 0x5",
    "Content-Length: -5",
    "Content-Length: five",
    "Content-Length: 1_0",
    "Content-Length: " + "9" * 5000,
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: chunked, chunked",
    "Transfer-Encoding: gzip",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
]


@pytest.mark.parametrize("header", AMBIGUOUS, ids=lambda header: header[:40])
def test_a_body_whose_end_is_ambiguous_is_refused(header: str) -> None:
    refused(f"http://{HOST}/", answer(b"bytes", header), match="does not speak HTTP")


def test_five_redirects_are_followed_and_no_more() -> None:
    assert fetch(f"http://{HOST}/", *[redirect("/")] * 5, answer(b"bytes"))[0].content == b"bytes"

    network = refused(f"http://{HOST}/", redirect("/"), match="more than 5 times")
    assert len(network.connected) == 6


def test_a_declared_size_over_the_limit_is_refused_unread() -> None:
    with pytest.raises(TooLarge, match="100,000 bytes"):
        fetch(f"http://{HOST}/", b"HTTP/1.1 200 OK\r\nContent-Length: 100001\r\n\r\n")


def endless(connection: socket.socket) -> None:
    """Send without end what has no declared length."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(bytes(4096))


def endless_chunks(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"1000\r\n" + bytes(4096) + b"\r\n")


def endless_continues(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


def endless_extension(connection: socket.socket) -> None:
    """Send one byte in each chunk and much beside it."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"1;" + b"x" * 4096 + b"\r\na\r\n")


@pytest.mark.parametrize("body", [endless, endless_chunks, endless_continues, endless_extension])
def test_an_endless_response_is_refused(body: Answer) -> None:
    with pytest.raises(TooLarge):
        fetch(f"http://{HOST}/", body)


def drip_body(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        connection.sendall(b"a")


def drip_head(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for number in range(90):
        connection.sendall(b"X-%d: a\r\n" % number)


@pytest.mark.parametrize("way", [drip_body, drip_head])
def test_a_response_that_arrives_byte_by_byte_ends_at_the_deadline(way: Any) -> None:
    def slowly(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        way(_Slow(connection))

    class _Slow:
        def __init__(self, connection: socket.socket) -> None:
            self._connection = connection

        def sendall(self, data: bytes) -> None:
            for position in range(len(data)):
                gone.wait(0.005)
                self._connection.sendall(data[position : position + 1])

    gone = threading.Event()
    try:
        refused(f"http://{HOST}/", slowly, seconds=20, clock=Ticking(), match="longer than 20 s")
    finally:
        gone.set()


def test_a_silent_server_is_left_at_the_deadline() -> None:
    over = threading.Event()

    def silent(connection: socket.socket) -> None:
        over.wait(30)

    with Origin(silent) as origin:
        with pytest.raises(NotFetched, match=r"longer than 0\.1 s"):
            fetcher(Network(origin, NAMES), seconds=0.1).fetch(f"http://{HOST}/")
        over.set()


def test_a_resolver_that_takes_too_long_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(connector.socket, "getaddrinfo", lambda *_, **__: over.wait(30) and [])

    with pytest.raises(NotFetched, match=r"longer than 0\.05 s"):
        Fetcher(MAX_BYTES, 0.05).fetch(f"http://{HOST}/")

    over.set()


def refuse_connections(address: str, port: int, seconds: float) -> socket.socket:
    raise ConnectionRefusedError


@pytest.mark.parametrize(
    ("names", "keys"),
    [
        ({}, {}),
        ({HOST: ["10.0.0.1"]}, {}),
        ({HOST: ["127.0.0.1"]}, {}),
        ({HOST: [PUBLIC, "fd00::1"]}, {}),
        ({HOST: []}, {}),
        ({HOST: [PUBLIC]}, {"connect": refuse_connections}),
    ],
    ids=["no address", "private", "loopback", "one private", "empty", "refuses"],
)
def test_a_refusal_does_not_tell_whether_a_name_exists_inside(
    names: dict[str, list[str]], keys: dict[str, Any]
) -> None:
    with pytest.raises(NotFetched) as refusal:
        fetch(f"http://{HOST}/", answer(b"secret"), names=names, **keys)

    assert str(refusal.value) == "the URL's host can't be reached from here, or is not public"


def test_a_compressed_body_is_refused_before_it_is_decompressed() -> None:
    packed = gzip.compress(bytes(10_000_000))

    refused(f"http://{HOST}/", answer(packed, "Content-Encoding: gzip"), match="compressed")


@pytest.mark.parametrize(
    ("response", "match"),
    [
        (answer(b"", status="404 Not Found"), "answers 404"),
        (answer(b"", status="206 Partial Content"), "answers 206"),
        (answer(b"", status="302 Found"), "answers 302"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "ends early"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "does not speak HTTP"),
        *[
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + length + b"\r\nab\r\n0\r\n\r\n",
                "does not speak",
            )
            for length in (b"+2", b"-2", b"0x2", b"0_2", b"", b"2 2", b"2" * 5000)
        ],
        (b"SSH-2.0-OpenSSH\r\n", "does not speak HTTP"),
        (b"", "does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 200 " + b"x" * 70_000, "does not speak HTTP"),
    ],
)
def test_what_is_no_file_is_refused(response: bytes, match: str) -> None:
    refused(f"http://{HOST}/", response, match=match)


def test_no_url_is_fetched_unless_the_operator_says_so() -> None:
    with pytest.raises(NotFetched, match="not fetched from URLs here"):
        fetching.fetch(f"http://{HOST}/")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with a key, and a certificate that says that it is the host's."""
    if shutil.which("openssl") is None:
        lack("openssl is not installed")
    folder = tmp_path_factory.mktemp("certificate")
    subject = ["-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}"]
    made = ["-keyout", "key.pem", "-out", "certificate.pem", "-days", "2"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *made, *subject]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    both = folder / "both.pem"
    both.write_text((folder / "key.pem").read_text() + (folder / "certificate.pem").read_text())
    return both


def secure(certificate: Path) -> Origin:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return Origin(answer(b"bytes"), wrap=lambda sock: context.wrap_socket(sock, server_side=True))


@pytest.mark.processes
def test_tls_verifies_the_name_though_the_address_is_connected_to(certificate: Path) -> None:
    names = {HOST: [PUBLIC], "other.example": [PUBLIC]}
    trust = ssl.create_default_context(cafile=str(certificate))
    with secure(certificate) as origin:
        network = Network(origin, names)
        trusting = fetcher(network, trust=lambda: trust)

        assert trusting.fetch(f"https://{HOST}/").content == b"bytes"
        with pytest.raises(NotFetched, match="not trusted: Hostname mismatch"):
            trusting.fetch("https://other.example/")
        with pytest.raises(NotFetched, match="not trusted"):
            fetcher(network).fetch(f"https://{HOST}/")

    assert network.connected == [(PUBLIC, 443)] * 3
    assert len(origin.requests) == 1
