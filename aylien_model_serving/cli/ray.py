"""`model-serving ray`: the models of an app on a Ray cluster: deployed, looked at, deleted."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec

from aylien_model_serving.cli.errors import CommandFailed, InvalidUsage
from aylien_model_serving.cli.inspect_app import inspect_by
from aylien_model_serving.cli.options import target_argument, traceback_option
from aylien_model_serving.cli.targets import read
from aylien_model_serving.core.escapes import escape
from aylien_model_serving.core.settings import Settings
from aylien_model_serving.core.tables import columns
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.replicas.cluster import applications, deploying, ray_client
from aylien_model_serving.replicas.cluster.deploying import DeployedModel
from aylien_model_serving.replicas.cluster.ray_client import ApplicationStatus

address_option = click.option(
    "--address",
    help="The cluster: 'auto' for this machine's own node, else host and port of the head; by default what "
    "MODEL_SERVING_RAY_ADDRESS says.",
)


@click.group("ray")
def command() -> None:
    """Deploy the models of an app on a Ray cluster, show how they are, or delete them.

    Routes and models whose runner has the engine "ray" are deployed, each as an application of Ray Serve with
    the version that MODEL_SERVING_VERSION says. This machine has to be a node of the cluster.
    """


@command.command("deploy")
@target_argument
@address_option
@click.option(
    "--runtime-env",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A YAML or JSON file with Ray's runtime environment: where the code and its packages are.",
)
@traceback_option
def deploy(target: str, address: str | None, file: Path | None, with_traceback: bool) -> None:
    """Deploy the models of TARGET, beside those of other versions, and wait until they take calls."""
    models = _models(target, with_traceback)
    runtime_env = {} if file is None else _runtime_env(file)
    with _joined(address):
        deploying.deploy(models, runtime_env)
    for model in models:
        click.echo(f"{model.route} {escape(model.version)} takes calls as {model.application}")


@command.command("status")
@target_argument
@address_option
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON, for programs.")
@traceback_option
def status(target: str, address: str | None, as_json: bool, with_traceback: bool) -> None:
    """Show all versions of the models of TARGET that the cluster has."""
    models = _models(target, with_traceback)
    with _joined(address):
        found = _of_all_versions(models)
    missing = [model for model in models if model.application not in found]
    if as_json:
        rows = [one._asdict() for one in found.values()]
        click.echo(json.dumps({"applications": rows, "missing": [model.application for model in missing]}))
        return
    lines = [(one.name, one.state, f"{one.replicas} replicas", escape(one.message)) for one in found.values()]
    lines += [(model.application, "not deployed", "", "") for model in missing]
    click.echo("\n".join(columns(lines)))


@command.command("delete")
@target_argument
@address_option
@click.option("--others", is_flag=True, help="Delete the other versions, and keep this one.")
@traceback_option
def delete(target: str, address: str | None, others: bool, with_traceback: bool) -> None:
    """Delete the models of TARGET of this version from the cluster, once their calls have ended."""
    models = _models(target, with_traceback)
    own = {model.application for model in models}
    with _joined(address):
        names = [name for name in _of_all_versions(models) if (name in own) != others]
        deploying.delete(names)
    for name in names:
        click.echo(f"{name} is deleted")
    if not names:
        click.echo("There is nothing to delete", err=True)


def _models(target: str, with_traceback: bool) -> list[DeployedModel]:
    """Return what a target has for Ray.

    Raises:
        CommandFailed: it has nothing.
    """
    found = read(target, Path.cwd())
    answered = inspect_by(f"{__package__}.ray_process", found, with_traceback=with_traceback)
    models = msgspec.convert(answered["models"], list[DeployedModel])
    if not models:
        raise CommandFailed(f'{found} has no route and no model with runner={{"engine": "ray"}}')
    return models


def _of_all_versions(models: list[DeployedModel]) -> dict[str, ApplicationStatus]:
    """Return what the cluster has of these models, of whichever version."""
    own = {_without_version(model.application) for model in models}
    return {name: one for name, one in ray_client.statuses().items() if _without_version(name) in own}


def _without_version(name: str) -> tuple[str, str] | None:
    application = applications.parsed(name)
    return None if application is None else (application.service, application.route)


def _runtime_env(file: Path) -> Mapping[str, Any]:
    try:
        import yaml
    except ImportError:
        raise CommandFailed("Ray is not installed: pip install 'model-serving[ray]'") from None
    try:
        found = yaml.safe_load(file.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidUsage(f"{file} is neither YAML nor JSON: {str(error).partition(chr(10))[0]}") from None
    if not isinstance(found, dict) or not isinstance(found.get("env_vars", {}), dict):
        raise InvalidUsage(f"{file} is no runtime environment: a mapping as of 'working_dir' is expected")
    return found


@contextmanager
def _joined(address: str | None) -> Iterator[None]:
    """Join a cluster for a block, whose errors become the command's.

    Raises:
        CommandFailed: it can't be joined, or something can't be done there.
    """
    try:
        ray_client.join(address or Settings.load_public("ray_address").ray_address)
        yield
    except ConfigurationError as error:
        raise CommandFailed(str(error)) from error
