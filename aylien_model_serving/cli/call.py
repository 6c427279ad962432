"""`model-serving call`: one call of a running service, its response printed as it arrives."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from aylien_model_serving.cli import fields
from aylien_model_serving.cli.errors import InvalidUsage
from aylien_model_serving.cli.output import OutputFiles, show, show_item
from aylien_model_serving.cli.resolve_route import ResolvedRoute, resolve_route
from aylien_model_serving.cli.service_client import (
    client_of,
    client_options,
    library,
    report_errors,
    result_of,
    whole_url,
)
from aylien_model_serving.core.escapes import escape

_STANDARD_INPUT = "-"

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


@click.command("call")
@click.argument("url")
@click.argument("words", nargs=-1, metavar="[FIELD]...")
@click.option(
    "-X", "--method", type=click.Choice(_METHODS, case_sensitive=False), help="POST where there is one."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Where the answer is saved; - prints a file's bytes.",
)
@click.option("--force", is_flag=True, help="Replace files that are there already.")
@click.option("--no-wait", is_flag=True, help="Print a job's id, and leave.")
@client_options()
def command(
    url: str,
    words: tuple[str, ...],
    method: str | None,
    output: Path | None,
    force: bool,
    no_wait: bool,
    api_key: str | None,
    timeout: float,
) -> None:
    """Call the route at URL, e.g. localhost:8000/predict.

    \b
    name=value    a value, read as the service describes the field
    name:=json    a value in JSON
    name@path     a file
    :=json, @path the whole body, where it has no fields
    -             JSON from standard input: an object, which the others add to, or the whole body

    A job is followed to its end, a stream is printed as it comes, and a file is saved.
    """
    bodies, named = fields.split(word for word in words if word != _STANDARD_INPUT)
    typed = fields.parse_arguments(named)
    body = [fields.read_body(word) for word in bodies]
    given: dict[str, Any] = {}
    if _STANDARD_INPUT in words:
        sent = fields.from_json(sys.stdin.read())
        given, body = (sent, body) if isinstance(sent, dict) else ({}, [*body, sent])
    with report_errors():
        found = resolve_route(whole_url(url), method, partial(client_of, api_key=api_key, timeout=timeout))
        values = given | _values(found, typed)
        operation = found.operation
        answer = found.client.call(f"{operation.method} {operation.path}", *body, **values)
        _show(answer, found.client.url, OutputFiles(Path.cwd(), output, force), no_wait=no_wait)


def _values(found: ResolvedRoute, typed: list[fields.FieldArgument]) -> dict[str, Any]:
    """Return the fields of a call, by the type hints of the service's OpenAPI description."""
    signature = found.operation.signature
    hints = {
        name: parameter.annotation
        for name, parameter in signature.parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    takes_more = len(hints) < len(signature.parameters) or not found.operation.is_known
    return fields.read([*found.words, *typed], hints, is_known=not takes_more)


def _show(answer: Any, url: str, files: OutputFiles, *, no_wait: bool) -> None:
    client = library()
    if isinstance(answer, client.Job) and no_wait:
        click.echo(escape(answer.id))
    elif isinstance(answer, client.Job):
        show(result_of(answer, url), files)
    elif isinstance(answer, client.Stream):
        with answer:
            if files.output is not None:
                raise InvalidUsage(
                    "-o saves one answer, and this is a stream: redirect standard output instead"
                )
            for item in answer:
                show_item(item, files)
    else:
        show(answer, files)
