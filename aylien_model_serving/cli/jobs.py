"""`model-serving jobs`: the jobs of a running service, the last one first, and what may be done with one."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aylien_model_serving.cli.errors import InvalidUsage
from aylien_model_serving.cli.output import OutputFiles, show
from aylien_model_serving.cli.service_client import (
    client_of,
    client_options,
    report_errors,
    result_of,
    whole_url,
)
from aylien_model_serving.core.suggest import suggestion
from aylien_model_serving.core.tables import columns

if TYPE_CHECKING:
    from aylien_model_serving.client.jobs import JobState

_STATES = ["queued", "processing", "streaming", "finished", "failed", "cancelled"]

_ACTIONS = ["status", "result", "cancel"]


@click.command("jobs")
@click.argument("url")
@click.argument("action", required=False, metavar="[status|result|cancel]")
@click.argument("job_id", required=False, metavar="[ID]")
@click.option("--status", type=click.Choice(_STATES), help="Those in this state alone.")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many at most."
)
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON, for programs.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Where a result is saved; - prints a file's bytes.",
)
@click.option("--force", is_flag=True, help="Replace files that are there already.")
@client_options()
def command(
    url: str,
    action: str | None,
    job_id: str | None,
    status: str | None,
    limit: int,
    as_json: bool,
    output: Path | None,
    force: bool,
    api_key: str | None,
    timeout: float,
) -> None:
    """List the jobs of the service at URL, e.g. localhost:8000, or see to one of them.

    \b
    status ID   its state
    result ID   its result, for which it is waited
    cancel ID   stops it, or takes it out of the queue
    """
    _check(action, job_id)
    with report_errors():
        client = client_of(whole_url(url), api_key, timeout)
        if job_id is None:
            states = [job.state for job in client.jobs(status, limit)]
            _show_states(states, as_json=as_json, nothing=f"There are no {'such ' if status else ''}jobs")
            return
        job = client.job(job_id)
        if action == "result":
            show(result_of(job, client.url), OutputFiles(Path.cwd(), output, force))
            return
        state = job.cancel() if action == "cancel" else job.state
        _show_states([state], as_json=as_json)
        if action == "cancel" and not state.has_ended:
            click.echo("It is asked to stop, and has the grace of its route to do so", err=True)


def _check(action: str | None, job_id: str | None) -> None:
    if action is not None and action not in _ACTIONS:
        raise InvalidUsage(f"{action!r} is nothing that can be done with a job{suggestion(action, _ACTIONS)}")
    if action is not None and job_id is None:
        raise InvalidUsage(f"Of which job? {action} is followed by an id, as the list of jobs has it")


def _show_states(states: list[JobState], *, as_json: bool, nothing: str = "") -> None:
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(state) for state in states], indent=2, default=str))
    elif states:
        filled = [column for column in zip(*map(_cells, states), strict=True) if any(column)]
        click.echo("\n".join(columns(list(zip(*filled, strict=True)))))
    else:
        click.echo(nothing, err=True)


def _cells(state: JobState) -> tuple[str, ...]:
    return (
        state.id,
        state.status,
        f"{state.progress:.0%}",
        state.route or "",
        state.caller or "",
        str(state.metrics.get("created_at", "")),
        state.error or state.message,
    )
