"""Messages about jobs: what is in them, and a broker that is away."""

import logging
import time
from collections.abc import Callable
from typing import Any

import pytest

from aylien_model_serving.jobs.broker import messages, sender
from aylien_model_serving.jobs.broker.sender import MessageSender

#: A broker in the memory of this process, as kombu has it.
BROKER = "memory://"

SOON = 20.0


def wait_until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + SOON
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "_PAUSE", 0.01)


def received(service: str, route: str) -> Any:
    """Return the next message of a route."""
    with messages.connection_to(BROKER) as connection:
        queue = messages.queue_of(service, route)(connection.default_channel)
        queue.declare()
        return wait_until(lambda: queue.get(no_ack=True))


def test_a_message_is_a_task_of_its_route_without_arguments() -> None:
    MessageSender(BROKER, "kitchen").send("fries")

    message = received("kitchen", "fries")
    arguments, fields, _ = message.decode()
    assert message.headers["task"] == "kitchen.fries"
    assert (arguments, fields) == ([], {})
    assert message.content_type == "application/json"


def test_a_broker_that_is_away_is_told_of_once_and_again_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    kept = MessageSender("amqp://cook:pepper@127.0.0.1:1/", "bar")
    for _ in range(3):
        kept.send("drinks")
    wait_until(lambda: kept._waiting.empty() and caplog.messages)
    connect = messages.connection_to
    monkeypatch.setattr(messages, "connection_to", lambda broker: connect(BROKER))
    kept.send("drinks")
    wait_until(lambda: len(caplog.messages) > 1)

    assert caplog.messages[0].startswith("The broker amqp://***@127.0.0.1:1/ can't be reached, and workers")
    assert caplog.messages[1:] == ["The broker amqp://***@127.0.0.1:1/ can be reached again"]
    assert received("bar", "drinks").headers["task"] == "bar.drinks"


def test_what_waits_for_a_broker_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "_MAX_WAITING", 2)
    kept = MessageSender(BROKER, "kitchen")
    monkeypatch.setattr(kept, "_run", lambda waiting: None)
    for _ in range(5):
        kept.send("fries")

    assert kept._waiting.qsize() == 2


def test_a_queue_outlives_its_broker() -> None:
    queue = messages.queue_of("kitchen", "fries")

    assert (queue.name, queue.durable, queue.auto_delete) == ("kitchen.fries", True, False)
