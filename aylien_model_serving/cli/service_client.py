"""What `call`, `jobs` and `reload` share: the client of a service, and its errors in one line.

The client needs packages that a service does not: it is imported when it is used.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import click

from aylien_model_serving.cli.errors import CommandFailed, InvalidUsage
from aylien_model_serving.core.escapes import escape
from aylien_model_serving.errors import ServingError, Unauthorized

if TYPE_CHECKING:
    from types import ModuleType

    from aylien_model_serving.client import Client, Job

_Command = TypeVar("_Command", bound=Callable[..., Any])

#: Retries; somebody sits in front of the terminal.
_RETRIES = 1

#: The key that this command line sends; a service reads MODEL_SERVING_API_KEYS.
KEY_VARIABLE = "MODEL_SERVING_API_KEY"


def client_options(timeout: float = 60.0) -> Callable[[_Command], _Command]:
    """Return a decorator that adds the options of requests to a service.

    Args:
        timeout: seconds, where none are given.
    """
    key = click.option(
        "--api-key", envvar=KEY_VARIABLE, show_envvar=True, help="Sent to a service that asks for a key."
    )
    seconds = click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        default=timeout,
        show_default=True,
        help="Seconds.",
    )
    return lambda command: key(seconds(command))


def library() -> ModuleType:
    """Return the client's module.

    Raises:
        CommandFailed: its packages are not installed.
    """
    try:
        return import_module("aylien_model_serving.client")
    except ImportError as error:
        raise CommandFailed(str(error)) from None


def client_of(url: str, api_key: str | None, timeout: float) -> Client:
    """Return a client of the service at a URL, which is closed with the command.

    Raises:
        InvalidUsage: it is no URL, or the key can't be sent.
    """
    try:
        client: Client = library().Client(url, api_key=api_key, timeout=timeout, retries=_RETRIES)
    except ValueError as error:
        raise InvalidUsage(str(error)) from None
    click.get_current_context().call_on_close(client.close)
    return client


def whole_url(text: str) -> str:
    """Complete a URL: `:8000/x` is on this machine, and the default scheme is http.

    Raises:
        InvalidUsage: it is no URL.
    """
    url = f"http://localhost{text}" if text.startswith((":", "/")) else text
    url = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(url)
        is_url = bool(parts.hostname) and parts.scheme in ("http", "https") and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url:
        raise InvalidUsage(f"{text!r} is no URL of a service, such as localhost:8000/predict")
    return url


@contextmanager
def report_errors() -> Iterator[None]:
    """Report what the client raises in one line.

    Raises:
        CommandFailed: the service refused or failed, or did not answer.
        InvalidUsage: the fields can't be sent.
    """
    client = library()
    try:
        yield
    except ServingError as error:
        raise CommandFailed(_refusal(error)) from None
    except client.JobEnded as error:
        raise CommandFailed(f"The job {error.job_id} has no result: {error}") from None
    except (client.ClientError, ImportError) as error:
        raise CommandFailed(str(error)) from None
    except (TypeError, ValueError) as error:
        raise InvalidUsage(str(error)) from None


def result_of(job: Job, url: str) -> Any:
    """Wait for a job's end, and return its result; who interrupts it is told how to come back.

    Args:
        job: which is waited for.
        url: of its service.
    """
    try:
        return job.result(progress=True)
    except KeyboardInterrupt:
        command, job_id = f"model-serving jobs {shlex.quote(url)}", escape(job.id)
        click.echo(f"The job {job_id} goes on. `{command} result {job_id}` waits for its result,", err=True)
        click.echo(f"and `{command} cancel {job_id}` stops it.", err=True)
        raise


def _refusal(error: ServingError) -> str:
    """Return the service's error, where a missing key is given, and the id by which the log has more."""
    request_id = getattr(error, "request_id", None)
    rest = f" (request {request_id})" if request_id else ""
    here = f"; here, by --api-key or {KEY_VARIABLE}" if isinstance(error, Unauthorized) else ""
    return f"The service answered {error.status} {error.code}: {error}{here}{rest}"
