"""The dashboard's page in a browser, before a service of two workers."""

import json
import os
import re
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.services.dashboards import (
    TARGET,
    WEAK_CONTRASTS,
    answered,
    begin,
    cell,
    focused,
    load,
    number_in,
    open_gates,
    reach,
    row,
    shown,
    tells,
    text_of,
    until,
    watch,
)
from tests.services.raw_http import ask, get, post
from tests.services.serving import Service, serve

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.processes


HOSTILE = "<img src=//elsewhere.example onerror=alert(1)>"

PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    store = tmp_path_factory.mktemp("jobs") / "jobs.sqlite3"
    env = {"MODEL_SERVING_JOBS_URL": str(store), "MODEL_SERVING_SERVICE_NAME": "newsroom"}
    with serve(TARGET, worker_class="gevent", workers=2, env=env) as service:
        service.wait_until(lambda: service.status("/readyz") == 200)
        yield service


@pytest.fixture
def watched(page: "Page", service: Service) -> Iterator["Page"]:
    """The page, once it is live; an error that it logs fails the test."""
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    yield watch(page, service)
    assert not errors


def test_the_numbers_of_both_workers_are_live(watched: "Page", service: Service) -> None:
    batched = [post({"text": "hello"}, path="/batched")] * 4

    with load(
        service, post({"text": "hello"}, path="/detect"), post({"text": "fail"}, path="/detect"), *batched
    ):
        until(watched, lambda: number_in(text_of(watched, "#tile-rate .tile-value")) > 5)
        watched.locator("#routes tr", has_text="detect").locator(
            "[data-slot=failed][data-tone=bad]"
        ).wait_for()
        before = text_of(watched, "#tile-rate .tile-more")
        until(watched, lambda: text_of(watched, "#tile-rate .tile-more") != before)

        assert number_in(cell(watched, "batched", "rate")) > 1
        assert number_in(cell(watched, "batched", "p95")) >= 50
        assert "ms" in text_of(watched, "#tile-latency .tile-value")
        assert number_in(text_of(watched, "#tile-failures .tile-value")) > 0
        assert number_in(text_of(watched, "#tile-cache .tile-value")) > 50
        assert watched.locator("#tile-rate path.line").get_attribute("d") != ""


def test_the_whole_service_is_shown_whichever_worker_answers(service: Service) -> None:
    metrics = ask(service.port, get("/metrics")).body.decode()
    [before] = re.findall(r'duration_seconds_count\{endpoint="detect",.*status="200"\} (\d+)', metrics) or [0]
    counted = int(before)
    for worker in service.workers():
        with service.alone(worker):
            assert ask(service.port, post({"text": "hello"}, path="/detect")).status == 200
            counted += 1
            service.wait_until(partial(tells, service, counted))


def test_the_time_before_a_page_was_opened_is_kept_whichever_worker_answers(service: Service) -> None:
    assert ask(service.port, post({"text": "hello"}, path="/detect")).status == 200

    def kept() -> list[dict[str, Any]]:
        past: list[dict[str, Any]] = ask(service.port, get("/__dashboard/history")).json()
        return past

    def has_counted() -> bool:
        return any(route["name"] == "detect" for entry in kept()[-1:] for route in entry["routes"])

    service.wait_until(has_counted)
    for worker in service.workers():
        with service.alone(worker):
            past = kept()
            assert past[0]["at"] <= past[-1]["at"] < shown(service)["at"] + 2
            assert past[-1]["instance"] == shown(service)["instance"]


def test_the_processes_are_shown_and_what_failed_in_a_replica(service: Service) -> None:
    failed = ask(service.port, post({"text": "fail"}, path="/batched"))
    request_id = failed.json()["request_id"]
    found: list[dict[str, Any]] = []

    def is_told() -> bool:
        found.append(shown(service))  # which is a second old at most, in each worker
        return any(failure["request_id"] == request_id for failure in found[-1]["failures"])

    service.wait_until(is_told)
    told = found[-1]
    [failure] = [each for each in told["failures"] if each["request_id"] == request_id]
    assert (failure["route"], failure["status"]) == ("batched", failed.status)
    roles = [process["role"] for process in told["processes"]]
    assert [roles.count(role) for role in ("server", "worker", "supervisor")] == [1, 2, 1]
    assert {"batched, replica 0", "batched, replica 1", "render, replica 0"} <= set(roles)


def test_batches_and_replicas_are_shown(watched: "Page", service: Service) -> None:
    card = watched.locator("#runners > *", has_text="batched").first
    with load(service, *[post({"text": "hello"}, path="/batched")] * 12):
        bars = card.locator("[data-slot=bars]")
        until(watched, lambda: re.search(r"\d+ of (3–4|5–8)", bars.get_attribute("aria-label") or ""))

    assert card.locator("[data-slot=ready]").inner_text() == "2 of 2 ready"
    replicas = card.locator(".replicas li")
    assert replicas.count() == 2
    assert "Replica 1 on cpu" in replicas.nth(1).inner_text()


def test_a_replica_that_dies_is_told_in_words(watched: "Page", service: Service) -> None:
    replica = shown(service)["runners"][0]["replicas"][0]
    os.kill(replica["pid"], signal.SIGKILL)

    told = watched.locator("#runners > *", has_text="batched").first.locator(".replicas li").first
    told.filter(has_text="1 restart").filter(has_text="ready").wait_for(timeout=30_000)

    assert str(replica["pid"]) not in told.inner_text()


def test_a_jobs_bar_moves_and_its_result_is_shown(watched: "Page", service: Service, tmp_path: Path) -> None:
    job_id = begin(service, HOSTILE, tmp_path)
    job = row(watched, job_id)
    bar = job.get_by_role("progressbar")

    for step, value in enumerate(("0.25", "0.5", "0.75")):
        bar.and_(watched.locator(f"progress[value='{value}']")).wait_for()
        assert job.locator("[data-slot=status]").inner_text() == "processing"
        open_gates(tmp_path, step)
    job.get_by_role("button", name="Result").click()

    dialog = watched.get_by_role("dialog")
    assert json.loads(dialog.locator("pre").inner_text()) == {"title": HOSTILE}
    status = ask(service.port, get(f"/status/{job_id}")).json()
    assert job.locator("[data-slot=request]").inner_text() == status["request_id"]
    assert f"{HOSTILE} 2" in job.locator("[data-slot=says]").inner_text()
    assert watched.locator("main img").count() == 0
    watched.keyboard.press("Escape")
    dialog.wait_for(state="hidden")


def test_a_job_is_cancelled_by_keyboard_alone(watched: "Page", service: Service, tmp_path: Path) -> None:
    job_id = begin(service, "by keyboard", tmp_path)
    job = row(watched, job_id)
    job.filter(has_text="processing").wait_for()

    reach(watched, f"Cancel job {job_id[:8]}")
    watched.keyboard.press("Enter")
    watched.get_by_role("dialog").wait_for()
    reach(watched, "Keep it")
    watched.keyboard.press("Enter")
    watched.get_by_role("dialog").wait_for(state="hidden")
    assert focused(watched) == f"Cancel job {job_id[:8]}"
    watched.keyboard.press("Enter")
    reach(watched, "Cancel the job")
    watched.keyboard.press("Enter")
    watched.locator("#announcer", has_text=f"Job {job_id[:8]}").wait_for(state="attached")
    open_gates(tmp_path, 0)

    job.filter(has_text="cancelled").wait_for()
    assert job.get_by_role("button").count() == 0


def test_jobs_of_one_state_are_shown_alone(watched: "Page", service: Service, tmp_path: Path) -> None:
    done, waits = begin(service, "done"), begin(service, "waits", tmp_path)
    row(watched, done).filter(has_text="finished").wait_for()

    watched.get_by_role("group", name="Jobs that are shown").get_by_text("processing").click()

    row(watched, waits).wait_for()
    row(watched, done).wait_for(state="detached")
    assert watched.locator("#filters [aria-pressed=true]").inner_text().startswith("processing")
    open_gates(tmp_path, 0, 1, 2)
    watched.get_by_text("No job is processing.").wait_for()


def test_the_page_stands_still_when_it_is_told_to(watched: "Page", service: Service) -> None:
    watched.get_by_role("button", name="Pause").click()
    watched.locator("#state", has_text="Paused").wait_for()
    before = text_of(watched, "#numbers")

    counted = answered(service)
    ask(service.port, post({"text": "one more"}, path="/detect"))
    service.wait_until(lambda: answered(service) > counted)

    assert text_of(watched, "#numbers") == before
    watched.get_by_role("button", name="Resume").click()
    until(watched, lambda: text_of(watched, "#numbers") != before)
    assert text_of(watched, "#state") == "Live"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_everything_without_scrolling_sideways(
    browser: "Browser", service: Service, scheme: Any
) -> None:
    context = browser.new_context(viewport=PHONE, color_scheme=scheme, is_mobile=True, has_touch=True)
    page = watch(context.new_page(), service)
    ask(service.port, post({"text": "hello"}, path="/detect"))
    begin(service, "a title that goes on for longer than a phone is wide " * 3)
    row(page, "").first.wait_for()

    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    assert page.evaluate(WEAK_CONTRASTS) == []
    small = (
        "[...document.querySelectorAll('button')].filter(b => b.offsetParent && b.offsetHeight < 40).length"
    )
    assert page.evaluate(small) == 0
    context.close()


def test_who_wants_no_motion_gets_none(browser: "Browser", service: Service) -> None:
    context = browser.new_context(reduced_motion="reduce")
    page = watch(context.new_page(), service)

    seconds = page.locator(".column-bar").first.evaluate("node => getComputedStyle(node).transitionDuration")

    assert seconds == "0s"
    context.close()


def test_a_proxy_may_put_a_prefix_before_it(page: "Page", service: Service, tmp_path: Path) -> None:
    def behind(route: Any) -> None:
        route.continue_(url=route.request.url.replace("/team/models/", "/"))

    page.route("**/team/models/**", behind)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    watch(page, service, "/team/models/__dashboard")
    job_id = begin(service, "behind a proxy")

    row(page, job_id).get_by_role("button", name="Result").click()

    page.get_by_role("dialog").filter(has_text="behind a proxy").wait_for()
    assert all(url.startswith(service.url + "/team/models/") for url in asked)
