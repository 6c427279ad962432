"""The page of the routes in a real browser: people read it, and try what it shows."""

import io
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.services.serving import Service, serve
from tests.with_media import need_media

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.processes

IN_MEMORY = {"MODEL_SERVING_JOBS_URL": "memory://"}


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    need_media()
    with serve("tests.services.documented:run_app()", workers=1, env=IN_MEMORY) as service:
        yield service


def opened(page: "Page", url: str, operation: str) -> "Locator":
    """Return an operation of the page at a URL, opened and ready to be tried."""
    page.goto("about:blank")  # else a page that is there already would only scroll
    page.goto(f"{url}#/{operation}")
    found = page.locator(f"[id='operations-{operation.replace('/', '-')}']")
    found.locator("button.execute").wait_for()
    return found


def executed(operation: "Locator") -> Any:
    """Send what an operation's form holds, and return the status and the JSON that the page shows for it."""
    operation.locator("button.execute").click()
    answered = operation.locator(".live-responses-table .response").first
    body = answered.locator(".highlight-code code, .microlight").first
    return answered.locator(".response-col_status").inner_text().split()[0], json.loads(body.inner_text())


def picture(width: int, height: int) -> bytes:
    from PIL import Image

    drawn = io.BytesIO()
    Image.new("L", (width, height)).save(drawn, "PNG")
    return drawn.getvalue()


def test_the_page_lists_the_routes_with_what_their_docstrings_say(page: "Page", service: Service) -> None:
    page.goto(f"{service.url}/docs")

    summaries = page.locator(".opblock-summary")
    summaries.first.wait_for()
    shown = summaries.all_inner_texts()
    assert [" ".join(text.split()) for text in shown[:3]] == [
        "POST /measure Measure a text.",
        "POST /turn Turn a picture around.",
        "POST /fries Make some fries.",
    ]


def test_json_is_tried_with_the_example_that_warms_up(page: "Page", service: Service) -> None:
    operation = opened(page, f"{service.url}/docs", "service/measure")

    assert json.loads(operation.locator("textarea").input_value()) == {"text": "four", "limit": 3}
    assert executed(operation) == ("200", {"letters": 3})


def test_a_refusal_is_shown(page: "Page", service: Service) -> None:
    operation = opened(page, f"{service.url}/docs", "service/measure")

    operation.locator("textarea").fill('{"limit": 3}')

    status, body = executed(operation)
    assert (status, body["code"]) == ("400", "field_mismatch")


def test_a_file_is_tried_as_a_form(page: "Page", service: Service) -> None:
    operation = opened(page, f"{service.url}/docs", "service/turn")

    operation.locator("input[type=file]").set_input_files(
        {"name": "wide.png", "mimeType": "image/png", "buffer": picture(6, 2)}
    )

    assert executed(operation) == ("200", {"width": 2, "height": 6})


def test_a_job_is_tried_and_followed(page: "Page", service: Service) -> None:
    fries = opened(page, f"{service.url}/docs", "service/fry")
    fries.locator("textarea").fill('{"name": "curly"}')
    status, job = executed(fries)

    follow = opened(page, f"{service.url}/docs", "jobs/job_status")
    follow.locator("tr[data-param-name=job_id] input").fill(job["job_id"])
    follow.locator("tr[data-param-name=wait] input").fill("20")

    assert status == "202"
    assert executed(follow)[1]["result"] == "Your fries curly are ready"


@pytest.mark.parametrize("named", [False, True])
def test_it_works_below_a_prefix_whether_or_not_the_service_knows_of_it(page: "Page", named: bool) -> None:
    need_media()
    target = "tests.services.documented:" + ("run_app()" if named else "below_prefix()")
    env = IN_MEMORY | ({"SCRIPT_NAME": "/models/v1"} if named else {})
    ping = "/models/v1/__ping" if named else "/__ping"
    with serve(target, workers=1, env=env, ready=ping) as service:
        operation = opened(page, f"{service.url}/models/v1/docs", "service/measure")

        assert executed(operation) == ("200", {"letters": 3})


def test_behind_an_asgi_server_it_is_the_same(page: "Page") -> None:
    need_media()
    with serve(
        "tests.services.documented:run_app()", workers=1, env=IN_MEMORY, worker_class="asgi"
    ) as service:
        operation = opened(page, f"{service.url}/docs", "service/measure")

        assert executed(operation) == ("200", {"letters": 3})


def test_a_wrong_path_leads_to_the_page(page: "Page", service: Service) -> None:
    page.goto(f"{service.url}/nothing/here")

    assert page.inner_text("h1") == "404 Not Found"
    page.click("text=The routes of this service")
    page.wait_for_url(f"{service.url}/docs")


def test_the_page_follows_the_colours_of_the_system(page: "Page", service: Service) -> None:
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 800})  # a phone
    opened(page, f"{service.url}/docs", "service/measure")

    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.emulate_media(color_scheme="light")

    page.wait_for_function("before => getComputedStyle(document.body).backgroundColor !== before", arg=dark)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
