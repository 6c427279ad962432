"""The arithmetic behind the dashboard's page, in the browser that does it."""

import json
import random
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from aylien_model_serving.web import dashboard
from tests.services.serving import launch

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.processes

BOUNDS = [0.01, 0.1, 1.0]


class Modules:
    """The page's modules in a browser.

    Args:
        page: at the address that the modules have.
        url: where they are served.
    """

    def __init__(self, page: "Page", url: str) -> None:
        self._page = page
        self._url = url

    def call(self, module: str, name: str, *values: Any) -> Any:
        """Call a function of a module."""
        return self.run(module, "(module, name, values) => module[name](...values)", name, values)

    def run(self, module: str, program: str, *values: Any) -> Any:
        """Call a function of the test with a module and values."""
        program = f"async ([url, values]) => ({program})(await import(url), ...values)"
        return self._page.evaluate(program, [f"{self._url}/{module}", values])


@pytest.fixture(scope="module")
def modules(browser: "Browser") -> Iterator[Modules]:
    assets = Path(dashboard.__file__).parent / "assets"
    command = (
        sys.executable,
        "-m",
        "http.server",
        "{port}",
        "--bind",
        "127.0.0.1",
        "--directory",
        str(assets),
    )
    with launch(command, ready="/icon.svg") as service:
        page = browser.new_page()
        page.goto(service.url + "/icon.svg")
        yield Modules(page, service.url)
        page.close()


def reference(share: float, counts: list[float]) -> float:
    """Return a quantile within a bucket as Prometheus's documentation defines it."""
    rank, before = share * sum(counts), 0.0
    for place, count in enumerate(counts):
        if count and before + count >= rank:
            low = BOUNDS[place - 1]
            return low + (BOUNDS[place] - low) * (rank - before) / count
        before += count
    raise AssertionError("the last bucket has the rest")


def test_a_percentile_lies_within_its_bucket_where_the_observations_below_it_say(modules: Modules) -> None:
    for seed in range(20):
        chance = random.Random(seed)
        counts = [0.0, *(float(chance.randint(1, 50)) for _ in range(2)), 0.0]
        for share in (0.5, 0.95, 0.99):
            found = modules.call("numbers.js", "quantile", share, BOUNDS, counts)

            assert found["side"] == "within"
            assert found["value"] == pytest.approx(reference(share, counts))


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ([9, 0, 0, 0], "<10 ms"),
        ([0, 0, 0, 3], ">1 s"),
        ([0, 0, 0, 0], "–"),
        ([0, 10, 0, 0], "96 ms"),
    ],
)
def test_a_percentile_that_only_a_bound_is_known_of_says_so(
    modules: Modules, counts: list[int], told: str
) -> None:
    found = modules.call("numbers.js", "quantile", 0.95, BOUNDS, counts)

    assert modules.call("numbers.js", "latency", found).replace("\u00a0", " ") == told


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("duration", 0.0004, "0.4 ms"),
        ("duration", 0.25, "250 ms"),
        ("duration", 0.99951, "1.00 s"),
        ("duration", 12.34, "12.3 s"),
        ("duration", 59.96, "1 min 0 s"),
        ("duration", 3_700, "1 h 1 min"),
        ("duration", 200_000, "2 d 7 h"),
        ("duration", None, "–"),
        ("percent", 0, "0 %"),
        ("percent", 0.0004, "<0.1 %"),
        ("percent", 0.042, "4.2 %"),
        ("percent", 0.9999, "99 %"),
        ("percent", 1, "100 %"),
        ("rate", 0, "0.0"),
        ("rate", 0.01, "<0.1"),
        ("rate", 1234.5, "1,235"),
        ("number", 1_000_000, "1,000,000"),
    ],
)
def test_numbers_are_written_with_their_units(
    modules: Modules, name: str, value: float | None, told: str
) -> None:
    assert modules.call("numbers.js", name, value).replace("\u00a0", " ") == told


def test_sizes_that_a_bucket_holds_are_named(modules: Modules) -> None:
    assert [modules.call("charts.js", "label", [1, 2, 4], place) for place in range(4)] == [
        "1",
        "2",
        "3–4",
        "5+",
    ]


def snapshot(at: float, requests: int, *, instance: str = "one", failed: int = 0) -> Any:
    """Return a snapshot of a service with one route, whose answers took 10 to 100 ms each."""
    statuses = {"200": requests - failed} | ({"503": failed} if failed else {})
    counts = [0, requests, 0, 0]
    route = {"name": "detect", "own": False, "statuses": statuses, "sum": requests / 4, "counts": counts}
    asked = {"name": "job_status", "own": True, "statuses": {"200": 99}, "sum": 9, "counts": [99, 0, 0, 0]}
    return {
        "at": at,
        "instance": instance,
        "bounds": {"seconds": BOUNDS, "waits": [], "sizes": []},
        "routes": [route | {"cache": {"hit": 3 * requests, "miss": requests}}, asked | {"cache": {}}],
        "runners": [],
        "jobs": None,
    }


def summary_of(modules: Modules, snapshots: list[Any], seconds: float = 60) -> Any:
    program = """({ History, summary }, snapshots, seconds) => {
        const history = new History(300);
        const news = snapshots.map((snapshot) => history.add(snapshot));
        return { ...summary(history, seconds), news, kept: history.entries.length };
    }"""
    return modules.run("history.js", program, snapshots, seconds)


def test_rates_are_what_was_counted_between_two_snapshots(modules: Modules) -> None:
    counted = [snapshot(100, 50), snapshot(102, 60), snapshot(104, 90, failed=10)]

    found = summary_of(modules, counted)

    assert found["all"]["rate"] == 10
    assert found["all"]["mean"] == 0.25
    assert found["all"]["failures"] == 0.25
    assert found["all"]["hitRate"] == 0.75
    assert found["all"]["p95"]["value"] == pytest.approx(0.0955)
    assert found["series"]["rate"] == [[-2, 5], [0, 15]]
    assert found["routes"][0]["series"] == [[-2, 5], [0, 15]]


def test_the_librarys_own_routes_are_no_part_of_the_whole(modules: Modules) -> None:
    later = snapshot(101, 10)
    later["routes"][1]["statuses"]["200"] = 1099

    found = summary_of(modules, [snapshot(100, 0), later])

    assert found["all"]["rate"] == 10
    assert found["routes"][1]["rate"] == 1000


def test_a_window_begins_where_it_says_and_what_is_older_is_forgotten(modules: Modules) -> None:
    snapshots = [snapshot(float(at), 10 * at) for at in range(1000)]

    found = summary_of(modules, snapshots, 15)

    assert (found["seconds"], found["all"]["requests"], len(found["series"]["rate"])) == (15, 150, 15)
    assert found["kept"] == 301


@pytest.mark.parametrize(
    ("following", "news", "kept"),
    [
        (snapshot(100.5, 60), True, 2),
        (snapshot(99.5, 40), False, 1),
        (snapshot(100, 50), False, 1),
        (snapshot(101, 60, instance="another"), True, 1),
        (snapshot(101, 3), True, 1),
        (snapshot(20, 60), True, 1),
    ],
    ids=["later", "overtaken", "the same", "of another start", "counts went back", "the clock was set back"],
)
def test_a_snapshot_is_held_against_those_that_it_can_follow(
    modules: Modules, following: Any, news: bool, kept: int
) -> None:
    found = summary_of(modules, [snapshot(100, 50), following])

    assert (found["news"][1], found["kept"]) == (news, kept)


@pytest.mark.parametrize("early", [True, False], ids=["before the stream", "after it"])
def test_the_time_before_the_page_was_opened_is_put_before_its_own(modules: Modules, early: bool) -> None:
    past = [snapshot(at, int(at)) for at in (80.0, 85.0, 90.0)]
    past += [snapshot(95, 1000), snapshot(97, 3, instance="another"), snapshot(200, 200)]
    program = """({ History, summary }, past, snapshots, early) => {
        const history = new History(900);
        if (early) history.restore(past);
        for (const snapshot of snapshots) history.add(snapshot);
        if (!early) history.restore(past);
        return { ...summary(history, 60), ats: history.entries.map((entry) => entry.at) };
    }"""

    found = modules.run("history.js", program, past, [snapshot(100, 100), snapshot(102, 104)], early)

    assert found["ats"] == [80, 85, 90, 100, 102]
    assert found["series"]["rate"] == [[-17, 1], [-12, 1], [-2, 1], [0, 2]]
    assert [value for _, value in found["series"]["waiting"]] == [None, None, None, 0, 0]


def test_what_is_old_is_kept_more_coarsely(modules: Modules) -> None:
    program = """({ History }, snapshots) => {
        const history = new History(900);
        for (const snapshot of snapshots) history.add(snapshot);
        return history.entries.map((entry) => entry.at);
    }"""

    ats = modules.run("history.js", program, [snapshot(float(at), at) for at in range(1500)])

    recent = [at for at in ats if at > 1499 - 300]
    old = ats[: -len(recent)]
    assert recent == list(range(1200, 1500))
    assert {later - at for at, later in pairwise(old)} == {5}
    assert old[0] <= 1499 - 900 < old[1]


def test_a_single_snapshot_is_no_measure_of_anything(modules: Modules) -> None:
    found = summary_of(modules, [snapshot(100, 50)])

    assert (found["all"]["rate"], found["all"]["p95"], found["all"]["failures"]) == (None, None, None)


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_events_are_whole_however_they_come_in_pieces(modules: Modules, size: int) -> None:
    stream = 'retry: 500\r\ndata: {"a":1}\n\n: hello\n\ndata: one\ndata: two\n\ndata: not whole'
    pieces = [stream[place : place + size] for place in range(0, len(stream), size)]
    program = """({ Parser }, pieces) => {
        const parser = new Parser();
        return pieces.flatMap((piece) => parser.take(piece));
    }"""

    found = modules.run("feed.js", program, pieces)

    assert [(event["data"], event["retry"]) for event in found] == [
        (json.dumps({"a": 1}, separators=(",", ":")), 500),
        (None, None),
        ("one\ntwo", None),
    ]
