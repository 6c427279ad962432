"""Tests of the workers of Celery, in process."""
