"""Jobs of procrastinate, with its task that takes back those of workers that are gone, each minute."""

import os

import procrastinate
from flask import Flask, request

from bench.queues.handler import run

DATABASE = os.environ["BENCH_POSTGRES"]

queue = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=DATABASE))
run_later = queue.task(name="run")(run)


@queue.periodic(cron="* * * * *")
@queue.task(queueing_lock="retry_stalled_jobs", pass_context=True)
async def retry_stalled_jobs(context: procrastinate.JobContext, timestamp: int) -> None:
    """Take back the jobs of workers without a heartbeat."""
    for job in await queue.job_manager.get_stalled_jobs():
        await queue.job_manager.retry_job(job)


def web() -> Flask:
    """Return the app of the web workers, with connections of their own."""
    queue.open()
    app = Flask(__name__)

    @app.get("/readyz")
    def ready() -> str:
        return "ready"

    @app.post("/run")
    def enqueue() -> tuple[dict[str, str], int]:
        return {"job_id": str(run_later.defer(**request.get_json()))}, 202

    return app
