"""A service for fastsdk: plain routes and jobs, with and without files."""

import time

from flask import Flask

from aylien_model_serving import ImageFile
from aylien_model_serving.app_factory import FlaskAppWrapper, InvalidRequest
from aylien_model_serving.jobs.progress import JobProgress


def shout(text: str, times: int = 1) -> dict:
    return {"text": text.upper() * times}


def fry(job_progress: JobProgress, fries_name: str, pause: float = 0.0) -> str:
    job_progress.set_status(0.5, f"frying {fries_name}")
    time.sleep(pause)
    return f"Your fries {fries_name} are ready"


def refuse(text: str) -> str:
    raise InvalidRequest(f"no {text} today")


def idle(job_progress: JobProgress, seconds: float) -> str:
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        time.sleep(0.05)
        job_progress.set_status(0.1)
    return "idle no more"


def invert(image: ImageFile, strength: int = 255) -> ImageFile:
    return ImageFile.from_np_array(strength - image.to_np_array(), file_name="inverted.png")


def serving() -> Flask:
    """Return a service that has one of each."""
    return FlaskAppWrapper.create_app(
        [
            {"endpoint": "/shout", "callable": shout},
            {"endpoint": "/invert", "callable": invert, "name": "invert"},
            {"endpoint": "/make_fries", "callable": fry, "job": True, "name": "make_fries"},
            {"endpoint": "/refuse", "callable": refuse, "job": True},
            {"endpoint": "/idle", "callable": idle, "job": {"timeout": 1.0}},
            {"endpoint": "/img2img", "callable": invert, "job": True, "name": "img2img"},
        ]
    )
