"""`model-serving deploy`: the files by which Kubernetes or Compose runs a service."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import click

from aylien_model_serving.cli.errors import CommandFailed, InvalidUsage
from aylien_model_serving.cli.inspect_app import inspect_app
from aylien_model_serving.cli.options import target_argument, traceback_option
from aylien_model_serving.cli.targets import read
from aylien_model_serving.core import operator_options, secrets
from aylien_model_serving.core.settings import PREFIX, Settings, variables
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.manifests import files
from aylien_model_serving.manifests.plan import Plan
from aylien_model_serving.servers.commands import ServerOptions

_Command = TypeVar("_Command", bound=Callable[..., Any])

#: A label of RFC 1123, which names of services and namespaces are.
_LABEL = re.compile(r"[a-z]([-a-z0-9]{0,51}[a-z0-9])?")

#: Settings that are of this machine, or that the manifests set by themselves.
_OF_MACHINE = {
    *("host", "port", "workers", "metrics_dir", "reload", "jobs_url", "role"),
    *("grpc_host", "grpc_certfile", "grpc_keyfile", "grpc_client_ca"),
}

_DEFAULTS = Plan(name="", target="", image="")


@click.group("deploy")
def command() -> None:
    """Write the files by which Kubernetes or Compose runs a service.

    They follow from its routes, and from the settings in the environment of this command. Secrets are named
    in them, and never written.
    """


def _options(decorated: _Command) -> _Command:
    """Add what both commands take."""
    for option in reversed(
        (
            target_argument,
            click.option("--name", help="Of the service; else the module's."),
            click.option("--image", help="Of its containers; else the service's name."),
            click.option(
                "--gpus", type=click.IntRange(min=0), help="Of each copy with replicas; else as routes say."
            ),
            click.option(
                "--output",
                type=click.Path(path_type=Path, file_okay=False),
                default=Path("deploy"),
                show_default=True,
                help="The folder of the files.",
            ),
            click.option("--force", is_flag=True, help="Replace files that are there and differ."),
            traceback_option,
        )
    ):
        decorated = option(decorated)
    return decorated


@command.command("kubernetes")
@_options
@click.option("--namespace", help="Of all that is made; else the one of kubectl.")
@click.option(
    "--replicas",
    type=click.IntRange(min=1),
    default=_DEFAULTS.replicas,
    show_default=True,
    help="Web pods at the least.",
)
@click.option(
    "--prometheus",
    metavar="URL",
    default=_DEFAULTS.prometheus,
    show_default=True,
    help="Whom KEDA asks for the number of jobs.",
)
def kubernetes(target: str, output: Path, force: bool, **chosen: Any) -> None:
    """Write manifests of TARGET for Kubernetes: module:app, module:factory() or a file.

    `kubectl apply -f deploy/kubernetes` applies them. deploy/grafana.json is a dashboard.
    """
    _write(files.render_kubernetes, _plan(target, **chosen), output, force=force)


@command.command("compose")
@_options
def compose(target: str, output: Path, force: bool, **chosen: Any) -> None:
    """Write a Compose file of TARGET for one host: module:app, module:factory() or a file.

    `docker compose -f deploy/compose/compose.yaml up` runs it with its stores, Prometheus and Grafana.
    """
    _write(files.render_compose, _plan(target, **chosen), output, force=force)


def _plan(target: str, *, name: str | None, image: str | None, with_traceback: bool, **chosen: Any) -> Plan:
    """Return the plan of a target, its routes read as `model-serving routes` reads them.

    Raises:
        InvalidUsage: there is no app, or an option can't be.
        CommandFailed: it can't be imported, or a setting can't be used.
    """
    found = read(target, Path.cwd())
    inspected = inspect_app(found, with_traceback=with_traceback)
    settings = Settings.load_public()
    name = _label("--name", name or found.module.rpartition(".")[2].lower().replace("_", "-"))
    if chosen.get("namespace") is not None:
        _label("--namespace", chosen["namespace"])
    return Plan(
        name=name,
        target=str(inspected.target),
        image=image or name,
        workload=inspected.workload,
        workers=settings.workers or ServerOptions.workers,
        variables=_carried(variables(PREFIX)),
        loads_in_parallel=settings.parallel_loading,
        has_open_metrics="metrics" in settings.open,
        grpc_port=settings.grpc_port,
        **chosen,
    )


def _label(option: str, text: str) -> str:
    if not _LABEL.fullmatch(text):
        raise InvalidUsage(
            f"{option}: {text!r} is no name: it has up to 53 lower-case letters, digits and -, as in my-model"
        )
    return text


def _carried(given: Mapping[str, str]) -> dict[str, str]:
    """Return the operator's variables that the service gets too: those that are public, and of no machine.

    Raises:
        InvalidUsage: one names a file of this machine.
    """
    known = {f"{PREFIX}{each.name.upper()}" for each in fields(Settings) if each.name not in _OF_MACHINE}
    found = {
        name: text
        for name, text in secrets.without_secrets(given).items()
        if name in known or name.startswith(tuple(operator_options.PREFIXES.values()))
    }
    config = found.get(f"{PREFIX}CONFIG")
    if config is not None and Path(config).is_absolute():
        raise InvalidUsage(
            f"{PREFIX}CONFIG={config!r} is a file of this machine: put it into the image, beside the "
            f"service, and name it from there, as in {PREFIX}CONFIG=serving.toml"
        )
    return found


def _write(render: Callable[[Plan], Mapping[str, str]], plan: Plan, folder: Path, *, force: bool) -> None:
    try:
        texts = render(plan)
        written = files.write(texts, folder, force=force)
    except ConfigurationError as error:
        raise CommandFailed(str(error)) from None
    except OSError as error:
        raise CommandFailed(f"{error.filename}: {error.strerror}") from None
    for path in written:
        click.echo(f"wrote {path}")
    if not written:
        click.echo(f"{folder} has all {len(texts)} files as they are to be")
