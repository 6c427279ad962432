"""The headers of ASGI's scopes, of which some stand there more than once."""

from typing import Any, cast

from aylien_model_serving.web.adapters.asgi_to_wsgi import environ_of
from aylien_model_serving.web.adapters.request_info import RequestInfo, ScopeHeaders

REPEATED = [(b"accept", b"a/b"), (b"cookie", b"a=1"), (b"accept", b"*/*;q=0.1"), (b"cookie", b"b=2")]


def test_a_header_that_is_repeated_is_one_list_and_cookies_are_one_line_of_cookies() -> None:
    headers = ScopeHeaders(REPEATED)

    assert dict(headers) == {"accept": "a/b,*/*;q=0.1", "cookie": "a=1; b=2"}


def test_flask_sees_repeated_headers_as_the_fast_path_does() -> None:
    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "query_string": b"",
        "http_version": "1.1",
        "headers": REPEATED,
    }

    environ = environ_of(cast(Any, scope), b"", RequestInfo(None))

    assert environ["HTTP_ACCEPT"] == "a/b,*/*;q=0.1"
    assert environ["HTTP_COOKIE"] == "a=1; b=2"
