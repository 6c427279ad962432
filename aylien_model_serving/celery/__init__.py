"""Workers of Celery for a service's jobs: `celery -A 'service:celery_app' worker` runs them.

    from aylien_model_serving.celery import create_celery_app

    celery_app = create_celery_app(run_app)

It is for those who run Celery already. Jobs are kept in the service's store as ever, and
MODEL_SERVING_JOBS_BROKER names the broker through which the workers learn of them.
"""

from aylien_model_serving.celery.app import create_celery_app

__all__ = ["create_celery_app"]
