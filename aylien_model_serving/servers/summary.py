"""What is printed before a service starts: its routes and pages, who reaches it, the place of its jobs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from importlib import metadata
from typing import Any

from aylien_model_serving.core import start_log
from aylien_model_serving.core.tables import columns, route_lines
from aylien_model_serving.core.variable_names import RUNPOD
from aylien_model_serving.process import owner
from aylien_model_serving.servers import commands
from aylien_model_serving.servers.commands import ServerOptions

#: This library as a distribution.
NAME = "model-serving"

#: Page → what it is for.
_PAGES = {
    "/docs": "try the routes out",
    "/__dashboard": "see what the service does",
    "/openapi.json": "the routes, for programs",
}

#: Wildcard address → the host by which a user on this machine calls the service.
_EVERYWHERE = {"0.0.0.0": "localhost", "::": "localhost", "": "localhost"}


def version() -> str:
    """Return the installed version; "unknown" where the package runs without being installed."""
    try:
        return metadata.version(NAME)
    except metadata.PackageNotFoundError:
        return "unknown"


def show(
    target: str, described: Mapping[str, Any], options: ServerOptions, cure: str, *, has_keys: bool
) -> None:
    """Print the summary of a service whose server this process is about to become; see `summary`."""
    sys.stdout.write(summary(target, described, options, cure, has_keys=has_keys))
    if described["jobs"] is not None:
        owner.is_first(start_log.PLACE_OF_JOBS)  # so that the log does not tell it again


def summary(
    target: str, described: Mapping[str, Any], options: ServerOptions, cure: str, *, has_keys: bool
) -> str:
    """Return the lines that say what is served, by which server, and where.

    Args:
        target: the app, "module:app".
        described: its routes, its pages, and the place of its jobs; see `web.description`.
        options: how it is served.
        cure: what opens it to others, e.g. "--host 0.0.0.0".
        has_keys: whether callers need an API key.
    """
    if options.server == RUNPOD:
        return _of_worker(target, described, options)
    kind = f"{options.gunicorn_class} " if options.server == "gunicorn" else ""
    count = f"{options.workers} {kind}worker{'s' if options.workers > 1 else ''}"
    url = replace(options, host=_EVERYWHERE.get(options.host, options.host)).url
    pages = [(f"{url}{page}", _PAGES[page]) for page in described["pages"]] or [(url, "")]
    reloading = ", which start again when a file changes" if options.reload else ""
    lines = [
        f"{NAME} {version()} serves {target} by {options.server} with {count}{reloading}",
        "",
        *(f"  {line}" for line in route_lines(described["routes"])),
        *([""] if described["routes"] else []),
        *(f"  {line}" for line in columns(pages)),
        "",
        f"It {commands.listening(options, cure, has_keys=has_keys)}",
        *([] if options.grpc_port is None else [f"It serves gRPC at port {options.grpc_port}"]),
        *([] if described["jobs"] is None else [f"Its jobs are kept in {described['jobs']}"]),
    ]
    return "".join(f"{line}\n" for line in (*lines, ""))


def _of_worker(target: str, described: Mapping[str, Any], options: ServerOptions) -> str:
    """Return the lines of what has its calls from RunPod's queue, or offers the local API of RunPod's SDK."""
    dev = f"It offers the local API of RunPod's SDK at {options.url}: POST /runsync calls a route"
    lines = [
        f"{NAME} {version()} {'tries out' if options.listens else 'takes'} jobs of RunPod for {target}",
        "",
        *(f"  {line}" for line in route_lines(described["routes"])),
        "",
        *((dev, "") if options.listens else ()),
    ]
    return "".join(f"{line}\n" for line in lines)
