"""A service with a route of each kind that people try on its page: JSON, files, and jobs."""

from typing import Any

from aylien_model_serving import ImageFile
from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.jobs.progress import JobProgress


def measure(text: str, limit: int = 5) -> dict[str, int]:
    """Measure a text.

    Args:
        text: what is measured.
        limit: letters that are counted at most.
    """
    return {"letters": min(len(text), limit)}


def turn(image: ImageFile, times: int = 1) -> dict[str, Any]:
    """Turn a picture around.

    Args:
        image: any picture.
        times: quarters of a circle.
    """
    height, width, *_ = image.to_np_array("L").shape
    return {"width": height, "height": width} if times % 2 else {"width": width, "height": height}


def fry(job_progress: JobProgress, name: str) -> str:
    """Make some fries."""
    job_progress.set_status(0.5, "half done")
    return f"Your fries {name} are ready"


def run_app() -> Any:
    return FlaskAppWrapper.create_app(
        [
            {"endpoint": "/measure", "callable": measure, "warmup": {"text": "four", "limit": 3}},
            {"endpoint": "/turn", "callable": turn},
            {"endpoint": "/fries", "callable": fry, "job": True},
        ]
    )


class BelowPrefix:
    """A proxy that takes a prefix away and tells nobody of it.

    Args:
        app: what answers below the prefix.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    def __call__(self, environ: Any, start_response: Any) -> Any:
        if environ["PATH_INFO"].startswith("/models/v1/"):
            environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix("/models/v1")
        elif environ["PATH_INFO"] != "/__ping":
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"outside"]
        return self._app(environ, start_response)


def below_prefix() -> Any:
    return BelowPrefix(run_app())
