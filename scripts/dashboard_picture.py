"""Takes the picture of the dashboard in the README: of a real service under load, in a headless Chromium.

python scripts/dashboard_picture.py                     # two minutes; writes docs/pictures/dashboard.png
python scripts/dashboard_picture.py --seconds 20 --width 390 --height 2400 --output phone.png
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aylien_model_serving import InvalidRequest, JobProgress, Model, Service
from aylien_model_serving.testing.running_service import RunningService, launch

PROJECT = Path(__file__).parents[1]
PICTURE = PROJECT / "docs" / "pictures" / "dashboard.png"

#: The picture's height where the page is higher: of a table, the first rows say enough.
HEIGHT = 1212

COLOURS = 128

app = Service("newsroom")


@app.endpoint("/detect", cache=True)
def detect(text: str) -> dict[str, str]:
    """Detect the language of a text."""
    if not text:
        raise InvalidRequest("Missing text")
    if text == "broken":
        raise ValueError("no model for this script")
    time.sleep(random.uniform(0.002, 0.006))
    return {"language": "en"}


class Embed:
    """Embeds texts, sixteen at a time."""

    def __call__(self, text: list[str]) -> list[list[float]]:
        time.sleep(0.02 + 0.0008 * len(text))
        return [[float(len(each)), 0.5] for each in text]


class Rank:
    """Says how well a text answers a query."""

    def __call__(self, text: str) -> float:
        time.sleep(random.uniform(0.002, 0.004))
        return 1.0 / (1 + len(text))


embed = Model(Embed, name="embed", runner={"replicas": 2, "devices": ["cpu"]}, batch={"max_size": 16})
rank = Model(Rank, name="rank")


@app.endpoint("/search", threads=12)
def search(text: str) -> dict[str, float]:
    """Search for what is near to a text."""
    vector = embed(text=text)
    return {"distance": vector[0], "score": rank(text=text)}


@app.task_endpoint("/summarize", name="summarize")
def summarize(job_progress: JobProgress, title: str) -> dict[str, str]:
    """Summarize a book."""
    if title == "Finnegans Wake":
        raise InvalidRequest("nobody can summarize this")
    for page in range(50):
        job_progress.set_status(page / 50, f"{title}: page {8 * page} of 400")
        time.sleep(0.25)
    return {"title": title}


BOOKS = ("Emma", "Middlemarch", "Finnegans Wake", "Dracula", "Walden", "Persuasion")


def clients(port: int) -> list[Callable[[], None]]:
    """Return what each client of the service does again and again."""

    def client(path: str, field: str, texts: Callable[[], str], pause: float) -> Callable[[], None]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

        def call() -> None:
            connection.request(
                "POST", path, json.dumps({field: texts()}), {"Content-Type": "application/json"}
            )
            connection.getresponse().read()
            time.sleep(random.expovariate(1 / pause))

        return call

    def seldom_wrong() -> str:
        return random.choices(("", "broken", str(random.randrange(400))), (4, 1, 995))[0]

    return [
        *(client("/detect", "text", seldom_wrong, 0.02) for _ in range(4)),
        *(client("/search", "text", lambda: "a text", 0.004) for _ in range(24)),
        client("/summarize", "title", lambda: random.choice(BOOKS), 7.0),
    ]


def put_under_load(service: RunningService, over: threading.Event) -> list[threading.Thread]:
    """Start the clients, each on a thread that works until `over` is set."""

    def work(call: Callable[[], None]) -> None:
        while not over.is_set():
            call()

    threads = [threading.Thread(target=work, args=(call,)) for call in clients(service.port)]
    for thread in threads:
        thread.start()
    return threads


def take(url: str, options: argparse.Namespace) -> None:
    """Save the picture of the page, once it has been live for a while."""
    from PIL import Image
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium"))))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        size: Any = {"width": options.width, "height": options.height}
        page = browser.new_page(viewport=size, color_scheme=options.scheme)
        page.goto(f"{url}/__dashboard")
        page.locator("#state", has_text="Live").wait_for()
        page.get_by_text("5 min" if options.seconds > 90 else "1 min", exact=True).click()
        time.sleep(5)  # so that the processes' share of the CPU is known
        page.screenshot(path=options.output)
        browser.close()
    with Image.open(options.output) as picture:  # a page has few colours, which take a third of the bytes
        picture.convert("RGB").quantize(COLOURS).save(options.output, optimize=True)


def main() -> None:
    """Serve the example, put it under load, and take the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120.0, help="of load before the picture")
    parser.add_argument("--width", type=int, default=1240)
    parser.add_argument("--height", type=int, default=HEIGHT)
    parser.add_argument("--scheme", choices=["light", "dark"], default="light")
    parser.add_argument("--output", type=Path, default=PICTURE)
    options = parser.parse_args()
    command = [
        sys.executable,
        "-m",
        "aylien_model_serving",
        "run",
        "scripts.dashboard_picture:app",
        "--quiet",
    ]
    with tempfile.TemporaryDirectory() as folder:
        env = {"MODEL_SERVING_JOBS_URL": f"sqlite:///{folder}/jobs.sqlite3", "PYTHONPATH": str(PROJECT)}
        with launch([*command, "--port", "{port}"], env=env, cwd=PROJECT, kind=RunningService) as service:
            service.wait_until(lambda: service.status("/readyz") == 200)
            over = threading.Event()
            threads = put_under_load(service, over)
            time.sleep(options.seconds)
            take(service.url, options)
            over.set()
            for thread in threads:
                thread.join()


if __name__ == "__main__":
    main()
