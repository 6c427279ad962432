"""The service with jobs for tests, and the app of Celery's whose workers run these."""

from aylien_model_serving.celery import create_celery_app
from tests.services.job_apps import working

celery_app = create_celery_app(working)
