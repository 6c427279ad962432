"""Tests of services: the service started with its server, or its app within the test's own process.

    service = service_fixture("service:app")                      # in a conftest.py

    def test_it_classifies(service):
        assert service.post("/classify", json={"text": "…"}).json() == {"label": "news"}

    def test_it_classifies_quickly():
        app = in_process("service:app", {"classify": lambda text: {"label": text}})
        assert app.test_client().post("/classify", json={"text": "news"}).json == {"label": "news"}

pytest and httpx are imported where they are used, and are not needed otherwise.
"""

from aylien_model_serving.testing.failures import ServiceFailed
from aylien_model_serving.testing.fixtures import service_fixture
from aylien_model_serving.testing.local_app import in_process, stub, stub_runners
from aylien_model_serving.testing.running_service import RunningService, launch
from aylien_model_serving.testing.serve_target import serve

__all__ = [
    "RunningService",
    "ServiceFailed",
    "in_process",
    "launch",
    "serve",
    "service_fixture",
    "stub",
    "stub_runners",
]
