"""HTML pages; they load nothing from another host, and carry a policy that forbids it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from html import escape
from importlib.resources import files
from string import Template

from flask import Response, request
from markupsafe import Markup

#: The Content-Security-Policy of a page without scripts.
PLAIN = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; frame-ancestors 'none'"
)


@cache
def text(name: str) -> str:
    """Return a file of this folder."""
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def file(
    body: bytes, media_type: str, *, cache_control: str = "no-cache", headers: Iterable[tuple[str, str]] = ()
) -> Response:
    """Return a file of a page, or a 304 if the browser has it already.

    Args:
        body: its text, in UTF-8.
        media_type: without parameters.
        cache_control: the header Cache-Control.
        headers: further ones.
    """
    response = Response(body, content_type=f"{media_type}; charset=utf-8")
    response.headers["Cache-Control"] = cache_control
    response.headers.update(headers)
    response.add_etag()
    response.make_conditional(request)
    return response


def page(name: str, status: int = 200, *, policy: str = PLAIN, **values: object) -> Response:
    """Return a page.

    Args:
        name: its file in this folder.
        status: HTTP status.
        policy: its Content-Security-Policy.
        values: the text for each `$name`, escaped unless it is Markup; `$status` is always there.
    """
    escaped = {key: _escaped(value) for key, value in {**values, "status": status}.items()}
    html = Template(text(name)).substitute(escaped)
    body = html.encode(errors="replace")  # a lone surrogate, as in a name from the environment, has no UTF-8
    response = Response(body, status, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = policy
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cache-Control"] = "no-cache"
    return response


def _escaped(value: object) -> str:
    return value if isinstance(value, Markup) else escape(str(value))
