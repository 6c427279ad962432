"""Durable tasks of Celery: persistent messages, confirmed; acknowledged after the task; one at a time."""

import os

from celery import Celery
from flask import Flask, request

from bench.queues.handler import run

queue = Celery("bench", broker=os.environ["BENCH_RABBITMQ"], backend=os.environ["BENCH_REDIS"])
queue.conf.update(
    broker_connection_retry_on_startup=True,
    broker_transport_options={"confirm_publish": True},
    task_acks_late=True,
    task_default_queue=os.environ["BENCH_QUEUE"],
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
)

run_later = queue.task(name="run")(run)

app = Flask(__name__)


@app.get("/readyz")
def ready() -> str:
    """Answer as soon as the app is loaded."""
    return "ready"


@app.post("/run")
def enqueue() -> tuple[dict[str, str], int]:
    """Enqueue a task."""
    return {"job_id": run_later.delay(**request.get_json()).id}, 202
