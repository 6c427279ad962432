r"""Fries: work that outlasts a request, as a job whose progress clients can follow.

make COMMAND_UNCACHED='examples.fries.app:run_app()' example-service
curl localhost:8000/make_fries -d '{"fries_name": "curly"}'     # returns the job and its links
curl -N localhost:8000/stream/<job_id>                          # its progress, as it happens
curl 'localhost:8000/status/<job_id>?wait=10'                   # its result, when it is finished
"""

import time

from flask import Flask

from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.jobs.progress import JobProgress


def make_fries(job_progress: JobProgress, fries_name: str, amount: int = 1) -> str:
    """Make some fries.

    Args:
        job_progress: reports the progress to the client; the library passes it, not the client.
        fries_name: their name.
        amount: how many.
    """
    job_progress.set_status(0.1, f"started new fries creation {fries_name}")
    time.sleep(1)
    job_progress.set_status(0.5, f"I am working on it. Lots of work to do {amount}")
    time.sleep(2)
    job_progress.set_status(0.8, "Still working on it. Almost done")
    time.sleep(2)
    return f"Your fries {fries_name} are ready"


def run_app() -> Flask:
    """Return the app that the server serves."""
    return FlaskAppWrapper.create_app(
        [
            {
                "endpoint": "/make_fries",
                "callable": make_fries,
                "methods": ["POST"],
                "job": {"queue_size": 100},
            }
        ]
    )
