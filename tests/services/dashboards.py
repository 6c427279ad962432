"""What the tests of the dashboard's page do with it, and with the service behind it."""

import json
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.browser import PATIENCE_SECONDS
from tests.services.raw_http import ask, connect, post
from tests.services.serving import Service

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

TARGET = "tests.services.dashboard_apps:showing()"


COMPOSED = "tests.services.dashboard_apps:composed()"


PLAIN = "tests.services.dashboard_apps:plain()"


#: Texts whose contrast to their ground is below 4.5, the least that WCAG 2.2 has for small ones (1.4.3).
WEAK_CONTRASTS = """() => {
    const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
    const light = (color) => {
        const [red, green, blue] = numbers(color).slice(0, 3).map((value) => {
            const part = value / 255;
            return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const ground = (node) => {
        for (let at = node; at; at = at.parentElement) {
            const color = getComputedStyle(at).backgroundColor;
            if ((numbers(color)[3] ?? 1) === 1) return color;
        }
        return "rgb(255, 255, 255)";
    };
    const hasText = (node) => [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    return [...document.querySelectorAll("body *")]
        .filter((node) => node.checkVisibility() && hasText(node))
        .filter((node) => {
            const [one, other] = [light(getComputedStyle(node).color), light(ground(node))];
            return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05) < 4.5;
        })
        .map((node) => `${node.className} ${node.innerText}`);
}"""


def watch(page: "Page", service: Service, path: str = "/__dashboard") -> "Page":
    page.goto(service.url + path)
    page.locator("#state", has_text="Live").wait_for()
    return page


@contextmanager
def load(service: Service, *requests: bytes) -> Iterator[None]:
    """Send requests in turn, over one connection for each of them, until the block ends."""
    over = threading.Event()

    def send(request: bytes) -> None:
        with connect(service.port) as connection:
            while not over.wait(0.01):
                connection.send(request)
                connection.answer()

    threads = [threading.Thread(target=send, args=(request,)) for request in requests]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def begin(service: Service, title: str, gates: Path | None = None) -> str:
    """Have a job kept, and return its id."""
    fields = {"title": title, "gates": "" if gates is None else str(gates)}
    job_id: str = ask(service.port, post(fields, path="/render")).json()["job_id"]
    return job_id


def open_gates(gates: Path, *steps: int) -> None:
    for step in steps:
        (gates / str(step)).mkdir(exist_ok=True)
        (gates / str(step) / "open").touch()


def row(page: "Page", job_id: str) -> "Locator":
    return page.locator("#jobs > li", has_text=job_id[:8])


def cell(page: "Page", route: str, name: str) -> str:
    return page.locator("#routes tr", has_text=route).locator(f"[data-slot={name}]").inner_text()


def text_of(page: "Page", selector: str) -> str:
    return page.locator(selector).inner_text()


def until(page: "Page", condition: Callable[[], object]) -> None:
    """Wait for what a page shows; its policy keeps playwright from waiting within it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, page.locator("body").inner_text()
        page.wait_for_timeout(50)


def number_in(text: str) -> float:
    return float(text.replace(",", "").replace("\u00a0", " ").split()[0].strip("<>%–") or 0)


def shown(service: Service) -> Any:
    """Return the first snapshot of a stream."""
    with urllib.request.urlopen(service.url + "/__dashboard/events") as stream:
        [_, data] = [stream.readline(), stream.readline()]
    return json.loads(data.removeprefix(b"data: "))


def answered(service: Service) -> int:
    """Return how many requests a snapshot tells of, which may be as old as a second."""
    times: int = shown(service)["routes"][0]["statuses"].get("200", 0)
    return times


def tells(service: Service, count: int) -> bool:
    return answered(service) == count


def reach(page: "Page", name: str) -> None:
    """Press the tab key until what has the focus is called so, and its focus can be seen."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if focused(page) == name:
            width = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
            assert width == "3px"
            return
    raise AssertionError(f"{name!r} can't be reached")


def focused(page: "Page") -> str:
    """Return what the element that has the focus is called."""
    program = "document.activeElement.ariaLabel || document.activeElement.innerText"
    name: str = page.evaluate(program)
    return name
