"""`model-serving jobs`: the jobs of a running service, the last one first."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import click

from aylien_model_serving.cli.service_client import client_of, client_options, report_errors, whole_url
from aylien_model_serving.core.tables import columns

if TYPE_CHECKING:
    from aylien_model_serving.client.jobs import JobState

_STATES = ["queued", "processing", "streaming", "finished", "failed", "cancelled"]


@click.command("jobs")
@click.argument("url")
@click.option("--status", type=click.Choice(_STATES), help="Those in this state alone.")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many at most."
)
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON, for programs.")
@client_options
def command(
    url: str, status: str | None, limit: int, as_json: bool, api_key: str | None, timeout: float
) -> None:
    """List the jobs of the service at URL, e.g. localhost:8000."""
    with report_errors():
        client = client_of(whole_url(url), api_key, timeout)
        states = [job.state for job in client.jobs(status, limit)]
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(state) for state in states], indent=2, default=str))
    elif states:
        have_callers = any(state.caller for state in states)
        click.echo("\n".join(columns([_cells(state, have_callers) for state in states])))
    else:
        click.echo("There are no such jobs" if status else "There are no jobs", err=True)


def _cells(state: JobState, have_callers: bool) -> tuple[str, ...]:
    return (
        state.id,
        state.status,
        f"{state.progress:.0%}",
        state.route or "",
        *((state.caller,) if have_callers else ()),
        str(state.metrics.get("created_at", "")),
        state.error or state.message,
    )
