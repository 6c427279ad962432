"""Durable messages of dramatiq: persistent and confirmed; acknowledged after the actor; one at a time."""

import os

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend
from flask import Flask, request

from bench.queues.handler import run

broker = RabbitmqBroker(url=os.environ["BENCH_RABBITMQ"], confirm_delivery=True)
broker.add_middleware(Results(backend=RedisBackend(url=os.environ["BENCH_REDIS"])))
dramatiq.set_broker(broker)

run_later = dramatiq.actor(store_results=True, queue_name=os.environ["BENCH_QUEUE"])(run)

app = Flask(__name__)


@app.get("/readyz")
def ready() -> str:
    """Answer as soon as the app is loaded."""
    return "ready"


@app.post("/run")
def enqueue() -> tuple[dict[str, str], int]:
    """Enqueue a message."""
    return {"job_id": run_later.send(**request.get_json()).message_id}, 202
