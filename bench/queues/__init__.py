"""Durable jobs of this library beside Celery, dramatiq and procrastinate: `python -m bench.queues`."""
