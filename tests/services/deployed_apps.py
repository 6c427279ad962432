"""A service as it is deployed: each kind of route once, and one that looks around in its container."""

import os
from pathlib import Path
from typing import Any

from aylien_model_serving.jobs.progress import JobProgress
from aylien_model_serving.service import Service

app = Service("deployed")
hosting = Service("hosting")
everything = Service("everything")


@app.endpoint("/surroundings")
def surroundings() -> dict[str, Any]:
    """Tell who this process is, what it may do, and which of some folders it can write to."""
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines())
    places = ["/", "/etc", os.getcwd(), os.environ["HOME"], os.environ["TMPDIR"]]
    return {
        "user": os.getuid(),
        "group": os.getgid(),
        "capabilities": status["CapBnd"].strip(),
        "no_new_privileges": status["NoNewPrivs"].strip(),
        "writable": [place for place in places if _is_writable(place)],
        "variables": {name: text for name, text in os.environ.items() if name != "SERVER_SOFTWARE"},
    }


def _is_writable(place: str) -> bool:
    file = Path(place) / f"written-{os.getpid()}"
    try:
        file.write_text("x")
    except OSError:
        return False
    file.unlink()
    return True


class Length:
    """A model that is hosted."""

    def __call__(self, text: str) -> int:
        return len(text)


hosting.endpoint("/length", runner=True)(Length)
everything.endpoint("/length", name="length", runner=True, batch=False)(Length)


@everything.endpoint("/count", cache=60, limit="1000/second")
def count(text: str) -> int:
    return len(text.split())


@everything.task_endpoint("/bake")
def bake(job_progress: JobProgress, name: str) -> str:
    job_progress.set_status(0.5, "half way")
    return name
