"""The page that shows the routes and lets people try them: Swagger UI, from an installed package's files.

The page makes requests to this service only, by paths relative to its own, so that it works below any
prefix. The package's Python code, which needs another framework, is never imported.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from flask import Response, redirect, request
from werkzeug.wrappers import Response as WerkzeugResponse

from aylien_model_serving.errors import NotFound
from aylien_model_serving.web import pages
from aylien_model_serving.web.app import ServingFlask

#: Paths with a GET endpoint in every service.
PATHS = ("/docs", "/docs/", "/docs/<name>")

#: The distribution that has Swagger UI among its files.
_PACKAGE = "flask-openapi3-swagger"

_FOREIGN = ("swagger-ui.css", "swagger-ui-bundle.js")
_OWN = ("docs.css", "docs.js")

#: Swagger UI sets styles of single elements, draws its icons from data, and shows answers from blobs.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

#: A year, for a file whose URL names its version.
_IMMUTABLE = "public, max-age=31536000, immutable"


class Swagger(NamedTuple):
    """Swagger UI as it is installed.

    Args:
        version: of the package.
        files: the files that the page needs, by name.
    """

    version: str
    files: dict[str, Path]


@cache
def installed() -> Swagger:
    """Return the installed Swagger UI."""
    found = metadata.distribution(_PACKAGE)
    files = {file.name: Path(str(file.locate())) for file in found.files or () if file.name in _FOREIGN}
    return Swagger(found.version, files)


def register(app: ServingFlask) -> None:
    """Add the page and its files to an app."""

    def docs() -> Response:
        title = f"{app.state.settings.service_name or 'model-serving'}: routes"
        return pages.page("docs.html", policy=_POLICY, title=title, version=installed().version)

    def slashed() -> WerkzeugResponse:
        return redirect("../docs", 308)

    views: tuple[Callable[..., WerkzeugResponse], ...] = (docs, slashed, _file)
    app.add_pages(dict(zip(PATHS, views, strict=True)), opened_by=("docs",), strict_slashes=True)


def _file(name: str) -> Response:
    """Return one of the page's files.

    Raises:
        NotFound: it is none of them.
    """
    swagger = installed()
    cache_control = "no-cache"
    if name in _OWN:
        content = pages.text(name).encode()
    elif name in swagger.files:
        content = _read(swagger.files[name])
        if request.args.get("v") == swagger.version:
            cache_control = _IMMUTABLE
    else:
        raise NotFound
    return pages.file(
        content, "text/css" if name.endswith(".css") else "text/javascript", cache_control=cache_control
    )


@cache
def _read(path: Path) -> bytes:
    """Return a file, cached by each process from its first request on: 1.7 MB for all of them."""
    return path.read_bytes()
