"""Which responses need a policy, since a browser would open them as a page."""

import pytest

from aylien_model_serving.dispatch.page_policy import needs_policy


@pytest.mark.parametrize(
    "media_type",
    [
        "text/html",
        "TEXT/HTML; charset=utf-8",
        "image/svg+xml",
        "application/json, text/html",
        "application/json;x, text/html",
        'application/json; a="b", text/html',
        'application/json; a="\\", text/html',
        "text/html, application/json",
        "json",
        "text/html/",
        ", text/html",
    ],
)
def test_pages_and_what_is_no_single_media_type_need_a_policy(media_type: str) -> None:
    assert needs_policy({"content-type": media_type})
    assert not needs_policy({"content-type": media_type, "content-security-policy": "default-src 'self'"})
    assert not needs_policy({"content-type": media_type, "content-disposition": "attachment"})


@pytest.mark.parametrize(
    "media_type",
    [
        "",
        "application/json",
        "text/plain; charset=utf-8",
        "text/csv;header=present ;charset=utf-8",
        'multipart/form-data; boundary="a, text/html"',
        "application/vnd.apache.arrow.stream",
        "video/mp4;",
    ],
)
def test_other_media_types_need_none(media_type: str) -> None:
    assert not needs_policy({"content-type": media_type})
    assert not needs_policy({})
