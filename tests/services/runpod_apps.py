"""A service whose calls come from RunPod's queue: plain calls, files, streams and jobs."""

import threading
import time
from collections.abc import Iterator

from aylien_model_serving.jobs.progress import JobProgress
from aylien_model_serving.media.files import MediaFile
from aylien_model_serving.service import Service

plain = Service("plain")


@plain.post("/shout", threads=3)
def shout(text: str) -> str:
    return text.upper()


@plain.post("/size")
def size(file: MediaFile) -> int:
    return len(file.content)


@plain.post("/record")
def record() -> dict[str, float | str]:
    return {"error": 0.25, "refresh_worker": "no", "label": "cat"}


@plain.get("/greet/<name>")
def greet(name: str, times: int = 1) -> str:
    return f"hello {name} " * times


_meeting = threading.Barrier(3, timeout=60)


@plain.post("/meet", threads=3)
def meet() -> str:
    _meeting.wait()
    return "met"


@plain.task_endpoint("/fries", threads=2)
def fries(job_progress: JobProgress, amount: int = 1, pause: float = 0.4) -> dict[str, int]:
    for done in range(amount):
        job_progress.set_status((done + 1) / (amount + 1), f"frying {done + 1}")
        time.sleep(pause)
    return {"fries": amount}


@plain.task_endpoint("/burnt")
def burnt() -> None:
    raise RuntimeError("the secret of the kitchen")


streaming = Service("streaming")


@streaming.post("/count")
def count(n: int) -> Iterator[int]:
    for number in range(n):
        if number == 5:
            raise RuntimeError("the secret of five")
        yield number


@streaming.post("/total")
def total(numbers: list[int]) -> int:
    return sum(numbers)
