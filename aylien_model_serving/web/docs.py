"""The page that shows the routes and lets people try them: Swagger UI, from an installed package's files.

The page asks nobody but this service, by paths relative to its own, so that any prefix may stand
before them. The package's Python code, which wants a framework of its own, is never imported.
"""

from __future__ import annotations

from functools import cache
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from flask import Response, redirect, request
from werkzeug.wrappers import Response as WerkzeugResponse

from aylien_model_serving.errors import NotFound
from aylien_model_serving.web import pages
from aylien_model_serving.web.app import ServingFlask

#: Paths that are answered to GET in every service.
PATHS = ("/docs", "/docs/", "/docs/<name>")

#: The distribution that has Swagger UI among its files, and how it is installed.
PACKAGE = "flask-openapi3-swagger"
COMMAND = "pip install 'model-serving[swagger]'"

_FOREIGN = ("swagger-ui.css", "swagger-ui-bundle.js")
_OWN = ("docs.css", "docs.js")

#: Swagger UI sets styles of single elements, draws its icons from data, and shows answers from blobs.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

#: A year, for a file whose URL names its version.
_FOR_GOOD = "public, max-age=31536000, immutable"


class Swagger(NamedTuple):
    """Swagger UI as it is installed.

    Args:
        version: of the package.
        files: the files that the page needs, by name.
    """

    version: str
    files: dict[str, Path]


@cache
def installed() -> Swagger | None:
    """Return where Swagger UI is, or None where it is not, or not as a whole."""
    try:
        found = metadata.distribution(PACKAGE)
    except metadata.PackageNotFoundError:
        return None
    files = {file.name: Path(str(file.locate())) for file in found.files or () if file.name in _FOREIGN}
    is_whole = len(files) == len(_FOREIGN) and all(path.is_file() for path in files.values())
    return Swagger(found.version, files) if is_whole else None


def register(app: ServingFlask) -> None:
    """Add the page and its files to an app."""

    def docs() -> Response:
        title = f"{app.state.settings.service_name or 'model-serving'}: routes"
        swagger = installed()
        if swagger is None:
            return pages.page("docs_missing.html", 501, title=title, command=COMMAND)
        return pages.page("docs.html", policy=_POLICY, title=title, version=swagger.version)

    def slashed() -> WerkzeugResponse:
        return redirect("../docs", 308)

    for rule, view in zip(PATHS, (docs, slashed, _file), strict=True):
        endpoint = f"model_serving:{rule}"
        app.untracked.add(endpoint)
        app.add_url_rule(rule, endpoint, view, methods=["GET"], strict_slashes=True)


def _file(name: str) -> Response:
    """Return one of the files that the page names; nothing else has a path here.

    Raises:
        NotFound: it is none of them.
    """
    swagger = installed()
    kept = "no-cache"
    if name in _OWN:
        content = pages.text(name).encode()
    elif swagger is not None and name in swagger.files:
        content = _read(swagger.files[name])
        if request.args.get("v") == swagger.version:
            kept = _FOR_GOOD
    else:
        raise NotFound
    return pages.file(content, "text/css" if name.endswith(".css") else "text/javascript", kept=kept)


@cache
def _read(path: Path) -> bytes:
    """Return a file, which a process keeps once it has been asked for: 1.7 MB for all of them."""
    return path.read_bytes()
