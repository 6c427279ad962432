"""The documents of services with routes of all kinds are valid OpenAPI 3.1."""

import pytest

from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.testing import in_process
from tests.contracts import background, files, services
from tests.services import apps, background_apps, fastsdk_apps, hosted_apps, job_apps
from tests.with_media import need_media
from tests.with_packages import need

SERVICES = {
    "answering": apps.answering,
    "answering with a hook": apps.answering_with_hook,
    "cached": apps.cached,
    "cached view": apps.cached_view,
    "hosting": hosted_apps.hosting,
    "jobs": job_apps.working,
    "background": background_apps.leaving_work,
    "fastsdk": fastsdk_apps.serving,
    "contract": services.service,
    "contract of files": files.service,
    "contract of background tasks": background.service,
}


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("keys", ["", "secret"])
def test_the_document_of_a_service_is_valid(name: str, keys: str, monkeypatch: pytest.MonkeyPatch) -> None:
    need("openapi_spec_validator")
    need_media()
    from openapi_spec_validator import OpenAPIV31SpecValidator

    monkeypatch.setenv("ROUTE", "hosted")
    if name == "jobs":
        monkeypatch.setenv("ROUTES", "fries,work,few,report,hasty,count")
    if keys:
        monkeypatch.setenv("MODEL_SERVING_API_KEYS", keys)

    found = in_process(SERVICES[name]).test_client().get("/openapi.json", headers={"X-API-Key": keys}).json

    assert found["paths"]
    OpenAPIV31SpecValidator(found).validate()


def halved(text: str) -> str:
    return text


halved.__doc__ = "Half \ud83d a character.\n\nArgs:\n    text: the \ude00 other half.\n"


def test_what_utf_8_cant_express_is_a_question_mark_in_the_document() -> None:
    app = FlaskAppWrapper.create_app([{"endpoint": "/halved", "callable": halved}])

    response = app.test_client().get("/openapi.json")

    assert response.status_code == 200
    assert "Half ? a character." in response.text
    assert "the ? other half." in response.text
