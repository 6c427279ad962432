"""`model-serving reload`: the weights of one runner of a running service, loaded again."""

from __future__ import annotations

import click

from aylien_model_serving.cli.errors import CommandFailed
from aylien_model_serving.cli.service_client import client_of, client_options, report_errors, whole_url
from aylien_model_serving.core.escapes import escape


@click.command("reload")
@click.argument("url")
@click.argument("name")
@client_options(timeout=600.0)
def command(url: str, name: str, api_key: str | None, timeout: float) -> None:
    """Load the weights of the runner NAME again, in the service at URL, e.g. localhost:8000.

    Its replicas are replaced one after the other, each once another one has loaded. No request fails. NAME
    is that of a route or of a model. The key has to be an admin's.
    """
    with report_errors():
        found = client_of(whole_url(url), api_key, timeout).reload_runner(name)
    if found.state != "done":
        raise CommandFailed(
            f"{name}: {found.replaced} of {found.replicas} replicas were replaced, and the others go on: "
            f"{escape(found.error)}"
        )
    if not found.replicas:
        click.echo(f"{name} is unloaded: the next call loads it")
    else:
        click.echo(f"{name}: {found.replaced} of {found.replicas} replicas were replaced")
