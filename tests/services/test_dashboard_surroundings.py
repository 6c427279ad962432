"""The dashboard's page before other servers, with keys, and while processes come and go."""

import os
import re
import signal
import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.services.dashboards import PLAIN, answered, text_of, until, watch
from tests.services.hosts import host, model_pid
from tests.services.raw_http import ask, post
from tests.services.serving import serve

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.processes


def test_a_page_finds_its_way_back_to_a_service_that_was_away(page: "Page") -> None:
    with serve(PLAIN, worker_class="gthread", workers=1) as service:
        page.clock.install()
        watch(page, service)
        for worker in service.workers():
            os.kill(worker, signal.SIGSTOP)
        page.clock.fast_forward("01:00")
        page.locator("#state", has_text="Reconnecting").wait_for()
        page.locator("#notice", has_text="does not answer").wait_for()
        for worker in service.workers():
            os.kill(worker, signal.SIGCONT)

        page.locator("#state", has_text="Live").wait_for()
        assert page.locator("#notice").is_hidden()


@pytest.mark.parametrize("worker_class", ["sync", "gthread"])
def test_who_watches_keeps_no_worker_from_answering(page: "Page", worker_class: str) -> None:
    with serve(PLAIN, worker_class=worker_class, workers=1) as service:
        watch(page, service)
        before = answered(service)

        assert all(
            ask(service.port, post({"text": "hello"}, path="/detect")).status == 200 for _ in range(20)
        )

        service.wait_until(lambda: answered(service) == before + 20)
        until(page, lambda: "20" in text_of(page, "#tile-rate .tile-more"))


def test_why_a_replica_cannot_be_built_is_shown_in_lines(page: "Page") -> None:
    variables = {"routes": "model", "load_error": "no weights", "model_serving_expose_errors": 1}
    with host("gthread", ready=False, **variables) as service:
        error = watch(page, service).locator(".replicas li .error", has_text="no weights")
        error.wait_for()
        lines = error.inner_text().splitlines()

    assert lines[-1] == "FileNotFoundError: no weights"
    assert any("hosted_apps.py" in line for line in lines[:-1])


def test_a_frozen_replica_is_told_in_words(page: "Page") -> None:
    with host("gthread", routes="model", unresponsive_after=1.5) as service:
        watch(page, service)
        pid = model_pid(service)
        os.kill(pid, signal.SIGSTOP)
        page.locator(".replicas li", has_text=re.compile("unresponsive", re.IGNORECASE)).wait_for()
        os.kill(pid, signal.SIGCONT)

        page.locator(".replicas li", has_text=re.compile("ready", re.IGNORECASE)).wait_for()


def test_a_stream_of_an_event_loop_goes_on() -> None:
    with (
        serve(PLAIN, worker_class="asgi", workers=1) as service,
        urllib.request.urlopen(service.url + "/__dashboard/events") as stream,
    ):
        events = [stream.readline() for _ in range(8)]

        assert sum(line.startswith(b"data: ") for line in events) >= 2
        assert service.stop() == 0


def test_a_reader_gives_the_key_to_the_browser_or_to_the_page(browser: "Browser") -> None:
    keys = {"MODEL_SERVING_API_KEYS": "alice:schlüssel"}
    with serve(PLAIN, worker_class="gthread", workers=1, env=keys) as it:
        context = browser.new_context(http_credentials={"username": "", "password": "schlüssel"})
        page = context.new_page()
        page.goto(it.url + "/__dashboard")
        page.locator("#state", has_text="Live").wait_for()
        page.reload()
        page.locator("#state", has_text="Live").wait_for()

        assert page.locator("#sign-in").is_hidden()
        page.evaluate("sessionStorage.setItem('model-serving-key', 'forgotten')")
        page.reload()
        for wrong in ("other", "鍵"):
            page.get_by_label("API key").fill(wrong)
            page.keyboard.press("Enter")
            page.get_by_role("alert").filter(has_text="not one of the service's").wait_for()
        page.get_by_label("API key").fill("schlüssel")
        page.keyboard.press("Enter")
        page.locator("#state", has_text="Live").wait_for()
        page.get_by_role("button", name="Sign out").click()
        page.get_by_label("API key").wait_for()
        context.close()
