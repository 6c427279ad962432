"""Webhooks: where they may be sent, what is sent, how it is signed, and what happens where nobody listens."""

import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from aylien_model_serving.core.settings import Settings
from aylien_model_serving.errors import BadRequest, ConfigurationError
from aylien_model_serving.jobs import transitions, webhook_sender, webhooks
from aylien_model_serving.jobs.store import Store
from aylien_model_serving.jobs.webhook_sender import WebhookSender
from tests.jobs.stores import REPLY, enqueue, get
from tests.jobs.webhook_receiver import SECRET, receiving

SOON = 20.0


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transitions, "WEBHOOK_PAUSE", 0.05)
    monkeypatch.setattr(webhook_sender, "_POLL_INTERVAL", 0.02)


@pytest.fixture
def start_sender(store: Store) -> Iterator[Callable[[], WebhookSender]]:
    """Start a sender of webhooks; it is closed in the end."""
    started: list[WebhookSender] = []

    def start() -> WebhookSender:
        started.append(WebhookSender(store, "s", ["http://127.0.0.1:*"], SECRET))
        started[-1].start()
        return started[-1]

    yield start
    for each in started:
        each.close()


def finished(store: Store, url: str, body: bytes = b'"the result"') -> str:
    """Put a job with a webhook in that has ended, and return its id."""
    now = time.time()
    job_id = enqueue(store, now, webhook=url)
    claimed = store.claim("s", ["r"], "me", 60.0, now)
    assert claimed is not None
    store.finish(job_id, "me", REPLY, body, now)
    return job_id


def wait_until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def is_done(store: Store, job_id: str) -> bool:
    return get(store, job_id).webhook_due is None


@pytest.mark.parametrize(
    ("listed", "url"),
    [
        ("example.com", "https://example.com/done?a=b"),
        ("example.com", "https://example.com:443/"),
        ("example.com", "https://EXAMPLE.com./"),
        ("Example.COM.", "https://example.com/"),
        ("example.com:8443", "https://example.com:8443/"),
        ("http://example.com", "http://example.com/done"),
        ("HTTP://example.com:8080/", "http://example.com:8080/done"),
        ("https://example.com:*", "https://example.com:8443/"),
        ("bücher.example", "https://xn--bcher-kva.example/"),
        ("straße.example", "https://XN--strae-oqa.example/"),
        ("::1", "https://[::1]/done"),
        ("http://[::1]:8080", "http://[0:0::1]:8080/done"),
        ("127.0.0.1", "https://2130706433/"),
    ],
)
def test_listed_hosts_are_permitted(listed: str, url: str) -> None:
    assert webhooks.check(["other.example", listed], url) == url


@pytest.mark.parametrize(
    ("listed", "url"),
    [
        ("example.com", "http://example.com/"),
        ("example.com", "http://example.com:443/"),
        ("example.com", "https://example.com:8443/"),
        ("example.com", "https://a.example.com/"),
        ("example.com:8443", "https://example.com/"),
        ("http://example.com", "https://example.com/"),
        ("http://example.com:*", "https://example.com/"),
        ("straße.example", "https://strasse.example/"),
    ],
)
def test_a_listed_host_is_permitted_by_the_listed_scheme_and_port_alone(listed: str, url: str) -> None:
    with pytest.raises(BadRequest, match="this service tells nobody at"):
        webhooks.check([listed], url)


@pytest.mark.parametrize(
    "entry",
    [
        "ftp://example.com",
        "example.com/done",
        "example.com:0",
        "example.com:70000",
        "a@b.example",
        "*",
        "999.1.1.1",
    ],
)
def test_an_entry_that_is_no_host_stops_the_service(entry: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^MODEL_SERVING_WEBHOOK_ALLOW="):
        Settings.load({"MODEL_SERVING_WEBHOOK_ALLOW": f"example.com,{entry}"})


@pytest.mark.parametrize(
    "url",
    [
        "http://elsewhere.com/done",
        "http://example.com.elsewhere.com/",
        "http://example.com@elsewhere.com/",
        "http://user:password@example.com/",
        "http://elsewhere.com\\@example.com/",
        "http://elsewhere.com#@example.com/",
        "http://example.com:port/",
        "http://example.com:99999/",
        "http://[example.com/",
        "http:///done",
        "ftp://example.com/",
        "file:///etc/passwd",
        "//example.com/",
        "example.com/done",
        "http://example.com/a b",
        "http://example.com/\r\nX-Injected: 1",
        "http://example.com/größe",
        "http://2130706433/",
        "http://example.com:0/",
        "",
    ],
)
def test_no_other_host_is_permitted(url: str) -> None:
    with pytest.raises(BadRequest, match="X-Webhook-Url: "):
        webhooks.check(["example.com", "http://example.com"], url)


def test_no_host_is_listed_by_default() -> None:
    assert webhooks.check([], None) is None
    with pytest.raises(BadRequest, match="this service tells nobody at 'http://example\\.com'"):
        webhooks.check([], "http://example.com/")


def test_a_job_is_sent_as_clients_see_it(store: Store, start_sender: Callable[[], WebhookSender]) -> None:
    with receiving() as receiver:
        job_id = finished(store, receiver.url)
        start_sender()
        wait_until(lambda: is_done(store, job_id))

    [received] = receiver.received
    assert received.path == "/done?of=me"
    assert received.headers["content-type"] == "application/json"
    assert (received.job["job_id"], received.job["status"], received.job["result"]) == (
        job_id,
        "finished",
        "the result",
    )


def test_the_signature_is_that_of_the_documented_recipe(
    store: Store, start_sender: Callable[[], WebhookSender]
) -> None:
    with receiving() as receiver:
        finished(store, receiver.url)
        start_sender()
        wait_until(lambda: receiver.received)

    [received] = receiver.received
    timestamp = received.headers["x-webhook-timestamp"]
    expected = hmac.new(
        SECRET.encode(), timestamp.encode() + b"." + received.body, hashlib.sha256
    ).hexdigest()
    assert received.headers["x-webhook-signature"] == f"sha256={expected}"
    assert abs(time.time() - int(timestamp)) < SOON


@pytest.mark.parametrize("status", [500, 404, 301, 307])
def test_an_answer_that_is_no_success_is_tried_again_and_leads_nowhere(
    store: Store, start_sender: Callable[[], WebhookSender], status: int
) -> None:
    with receiving(status, status, 200) as receiver:
        job_id = finished(store, receiver.url)
        start_sender()
        wait_until(lambda: is_done(store, job_id))

    assert [received.job["job_id"] for received in receiver.received] == [job_id] * 3
    assert get(store, job_id).webhook_tries == 2


def test_a_receiver_that_was_away_gets_it_when_it_is_back(
    store: Store, start_sender: Callable[[], WebhookSender]
) -> None:
    with receiving() as receiver:
        pass
    job_id = finished(store, receiver.url)
    start_sender()
    wait_until(lambda: get(store, job_id).webhook_tries >= 2)
    with receiver.listening():
        wait_until(lambda: is_done(store, job_id))

    assert [received.job["job_id"] for received in receiver.received] == [job_id]


def test_a_receiver_that_stays_away_is_given_up(
    store: Store, start_sender: Callable[[], WebhookSender], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transitions, "WEBHOOK_TRIES", 3)
    with receiving() as receiver:
        pass
    job_id = finished(store, receiver.url)
    start_sender()
    wait_until(lambda: is_done(store, job_id))

    assert get(store, job_id).webhook_tries == 3


def test_a_webhook_that_a_dead_process_claimed_is_sent_by_another(
    store: Store, start_sender: Callable[[], WebhookSender]
) -> None:
    with receiving() as receiver:
        job_id = finished(store, receiver.url)
        taken = store.webhooks_due("s", 1, 0.2, time.time())  # and never a word more
        start_sender()
        wait_until(lambda: is_done(store, job_id))

    assert [job.id for job in taken] == [job_id]
    assert len(receiver.received) == 1


def test_a_receiver_that_never_answers_costs_a_limited_time_and_keeps_nobody_waiting(
    store: Store, start_sender: Callable[[], WebhookSender], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "TIMEOUT", 0.5)
    with receiving() as receiver, closing(socket.create_server(("127.0.0.1", 0))) as silent:
        slow = finished(store, f"http://127.0.0.1:{silent.getsockname()[1]}/")
        quick = finished(store, receiver.url)
        start_sender()
        wait_until(lambda: is_done(store, quick))
        tries = get(store, slow).webhook_tries
        wait_until(lambda: get(store, slow).webhook_tries > 0)

    assert tries == 0


def test_a_receiver_that_answers_a_byte_at_a_time_costs_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "TIMEOUT", 0.5)
    ends = threading.Event()
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                while not ends.wait(0.05):
                    try:
                        connection.sendall(b"H")
                    except OSError:
                        return

        threading.Thread(target=drip, daemon=True).start()
        since = time.monotonic()
        with pytest.raises(webhooks.WebhookFailed):
            webhooks.send(f"http://127.0.0.1:{server.getsockname()[1]}/", b"{}", SECRET, 0)
        ends.set()

    assert time.monotonic() - since < SOON / 2


def test_a_host_that_was_taken_off_the_list_gets_nothing(
    store: Store, start_sender: Callable[[], WebhookSender]
) -> None:
    with receiving() as receiver:
        job_id = finished(store, receiver.url.replace("127.0.0.1", "localhost"))
        start_sender()
        wait_until(lambda: receiver.received or get(store, job_id).webhook_tries > 0)

    assert receiver.received == []
    assert not is_done(store, job_id)


def test_a_large_result_is_left_to_the_link(store: Store, start_sender: Callable[[], WebhookSender]) -> None:
    with receiving() as receiver:
        finished(store, receiver.url, json.dumps("a" * webhooks.LARGEST_RESULT).encode())
        start_sender()
        wait_until(lambda: receiver.received)

    [received] = receiver.received
    assert "result" not in received.job
    assert received.job["links"]["status"] == f"/status/{received.job['job_id']}"


def test_failed_and_cancelled_jobs_are_sent_too(
    store: Store, start_sender: Callable[[], WebhookSender]
) -> None:
    with receiving() as receiver:
        cancelled = enqueue(store, time.time(), webhook=receiver.url)
        store.cancel("s", cancelled, time.time())
        start_sender()
        wait_until(lambda: is_done(store, cancelled))

    [received] = receiver.received
    assert (received.job["job_id"], received.job["status"]) == (cancelled, "cancelled")
