"""What is said to Celery's workers through a broker: that a job of a route waits.

A message names no job. Whoever gets one claims the job that is next by the store's order, so that priorities
are the store's, and a message that came twice finds nothing to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aylien_model_serving.errors import ConfigurationError

if TYPE_CHECKING:
    from celery import Celery
    from kombu import Connection, Queue

#: Seconds that one waits for a connection to the broker, and for each of its answers.
CONNECT_SECONDS, ANSWER_SECONDS = 3.0, 5.0

#: Seconds for which RabbitMQ keeps a message that nobody takes; a job that still waits then gets another.
KEPT_SECONDS = 3600


def create_celery(**options: Any) -> Celery:
    """Return an app of Celery's that is not the process's default.

    Args:
        options: of its configuration; those of messages are there.

    Raises:
        ConfigurationError: Celery is missing.
    """
    try:
        from celery import Celery
    except ImportError:
        raise ConfigurationError(
            "MODEL_SERVING_JOBS_BROKER: messages to workers of Celery need it: "
            "pip install 'model-serving[celery]'"
        ) from None
    app = Celery("model-serving", set_as_current=False)
    app.conf.update(task_serializer="json", accept_content=["json"], **options)
    return app


def task_name(service: str, route: str) -> str:
    """Return the name of the task and of the queue of a route's jobs."""
    return f"{service}.{route}"


def queue_of(service: str, route: str) -> Queue:
    """Return the durable queue of a route's jobs."""
    from kombu import Exchange, Queue

    name = task_name(service, route)
    return Queue(name, Exchange(name, type="direct"), routing_key=name)


def connection_to(broker: str) -> Connection:
    """Return a connection on which nobody waits without end; it is opened at its first use.

    Args:
        broker: its URL.
    """
    from kombu import Connection

    return Connection(
        broker, connect_timeout=CONNECT_SECONDS, heartbeat=0, transport_options=transport_options(broker)
    )


def transport_options(broker: str) -> dict[str, Any]:
    """Return how a connection to a broker waits, by what its protocol calls that."""
    if broker.startswith("amqp"):
        return {
            "read_timeout": ANSWER_SECONDS,
            "write_timeout": ANSWER_SECONDS,
            "confirm_publish": True,
            "max_retries": 0,
        }
    return {"socket_timeout": ANSWER_SECONDS, "socket_connect_timeout": CONNECT_SECONDS, "max_retries": 0}


def publish(app: Celery, channel: Any, service: str, route: str) -> None:
    """Send one message, and return when the broker has it.

    Args:
        app: what `create_celery` returned.
        channel: of a connection.
        service, route: whose job waits.
    """
    app.send_task(
        task_name(service, route),
        queue=queue_of(service, route),
        producer=app.amqp.Producer(channel, auto_declare=False),
        retry=False,
        ignore_result=True,
        expiration=KEPT_SECONDS,
    )
