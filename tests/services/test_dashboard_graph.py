"""The graph of models on the dashboard's page, in a browser, and in what the page gets."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.services.dashboards import (
    COMPOSED,
    PLAIN,
    WEAK_CONTRASTS,
    load,
    number_in,
    shown,
    text_of,
    until,
    watch,
)
from tests.services.raw_http import post
from tests.services.serving import Service, serve

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.processes

LONG = "a model with a name for which a node has no room"

PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with serve(COMPOSED, worker_class="asgi", workers=2) as service:
        service.wait_until(lambda: service.status("/readyz") == 200)
        yield service


def cells(page: "Page", name: str) -> list[str]:
    row = page.locator("#graph-rows tr").filter(has=page.get_by_role("rowheader", name=name, exact=True))
    return row.locator("td").all_text_contents()


def node(page: "Page", name: str) -> str:
    return " ".join(page.locator("#graph g").filter(has_text=name).locator("text").all_text_contents())


def test_a_snapshot_tells_who_calls_which_model_and_how_long_their_runs_take(service: Service) -> None:
    with load(service, post({"query": "x"}, path="/search")):
        service.wait_until(lambda: runner(service, LONG)["runs"]["sum"] > 0)
        found, embed = shown(service), runner(service, "embed")

    assert found["calls"] == {"search": ["embed", LONG], LONG: ["embed"]}
    assert embed["batches"]
    assert embed["runs"]["sum"] >= 0.05 * sum(embed["runs"]["counts"])


def runner(service: Service, name: str) -> Any:
    return next(each for each in shown(service)["runners"] if each["name"] == name)


def test_the_graph_shows_what_is_called_with_its_queue_batches_and_time(
    page: "Page", service: Service
) -> None:
    watch(page, service)

    with load(service, *[post({"query": "x"}, path="/search")] * 6):
        until(page, lambda: number_in(cells(page, "embed")[2]) > 1)
        until(page, lambda: cells(page, "search")[3] != "–")
        embed, search, middle = cells(page, "embed"), cells(page, "search"), cells(page, LONG)
        drawn = node(page, "embed")

    assert (search[0], middle[0], embed[0]) == (f"embed, {LONG}", "embed", "nothing")
    assert search[1:3] == ["–", "–"]
    assert "–" not in embed + middle[3:]
    assert re.fullmatch(r"embed [\d,]+ waiting · batch [\d.]+ mean [\d.]+\s(ms|s) · [\d.]+/s", drawn)
    assert page.locator("#graph path.edge").count() == 3
    assert page.locator("#graph g").count() == 3  # a route that calls no model is none of them


def test_a_line_passes_no_node(page: "Page", service: Service) -> None:
    watch(page, service)
    crossed = page.locator("#graph path.edge").evaluate_all(
        """all => all.filter((edge) => {
            const parts = Array.from({ length: 99 }, (_, part) => edge.getTotalLength() * (part + 1) / 100);
            const points = parts.map((part) => edge.getPointAtLength(part));
            const boxes = [...document.querySelectorAll("#graph g")].map((each) => each.getCTM());
            const isWithin = ({ x, y }, { e, f }) => x > e + 4 && x < e + 204 && y > f && y < f + 72;
            return points.some((point) => boxes.some((box) => isWithin(point, box)));
        }).length"""
    )

    assert crossed == 0


def test_callers_stand_left_of_what_they_call_and_no_name_leaves_its_node(
    page: "Page", service: Service
) -> None:
    watch(page, service)
    boxes = page.locator("#graph g").evaluate_all(
        "all => all.map((each) => [each.querySelector('title').textContent, each.getBoundingClientRect().x])"
    )
    overflowing = page.locator("#graph g").evaluate_all(
        """all => all.filter((each) => [...each.querySelectorAll("text")].some((text) =>
            text.getBBox().x + text.getBBox().width > each.querySelector("rect").getBBox().width)).length"""
    )

    assert [name for name, _ in sorted(boxes, key=lambda box: float(box[1]))] == ["search", LONG, "embed"]
    assert overflowing == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_the_graph_within_its_card(browser: "Browser", service: Service, scheme: Any) -> None:
    context = browser.new_context(viewport=PHONE, color_scheme=scheme, is_mobile=True, has_touch=True)
    page = watch(context.new_page(), service)
    page.locator("#graph svg").wait_for()

    page.locator("#graph").focus()
    page.keyboard.press("End")

    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    assert page.evaluate("document.getElementById('graph').scrollWidth") > PHONE["width"]
    assert page.evaluate(WEAK_CONTRASTS) == []
    context.close()


def test_nothing_is_shown_where_there_are_no_models(page: "Page") -> None:
    with serve(PLAIN, worker_class="asgi", workers=1) as service:
        watch(page, service)

        assert "Graph of models" not in text_of(page, "#numbers")
