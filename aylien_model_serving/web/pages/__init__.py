"""Pages for people with a browser; they ask no other host, and carry a policy that forbids it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from html import escape
from importlib.resources import files
from string import Template

from flask import Response, request

#: What a page without scripts may use.
PLAIN = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; frame-ancestors 'none'"
)


@cache
def text(name: str) -> str:
    """Return a file of this folder."""
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def file(
    body: bytes, media_type: str, *, kept: str = "no-cache", headers: Iterable[tuple[str, str]] = ()
) -> Response:
    """Return a file of a page, unless the browser that asks has it already.

    Args:
        body: its text, in UTF-8.
        media_type: of it.
        kept: how long a browser may have it without asking, as Cache-Control says it.
        headers: further ones.
    """
    response = Response(body, content_type=f"{media_type}; charset=utf-8")
    response.headers["Cache-Control"] = kept
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.update(headers)
    response.add_etag()
    response.make_conditional(request)
    return response


def page(name: str, status: int = 200, *, policy: str = PLAIN, **values: object) -> Response:
    """Return a page.

    Args:
        name: its file in this folder.
        status: of the answer.
        policy: its Content-Security-Policy.
        values: what takes the place of `$name`, as text; that of `$status` is known.
    """
    told = {key: escape(str(value)) for key, value in {**values, "status": status}.items()}
    shown = Template(text(name)).substitute(told)
    response = Response(shown, status, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = policy
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cache-Control"] = "no-cache"
    return response
