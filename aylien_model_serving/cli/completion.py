"""`model-serving completion`: the script with which a shell completes these commands."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from aylien_model_serving.cli.errors import CommandFailed

_PROGRAM = "model-serving"
_VARIABLE = "_MODEL_SERVING_COMPLETE"


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print SHELL's completion of these commands.

    \b
    bash:  eval "$(model-serving completion bash)"     in ~/.bashrc
    zsh:   eval "$(model-serving completion zsh)"      in ~/.zshrc
    fish:  model-serving completion fish | source      in ~/.config/fish/config.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise CommandFailed(f"This click completes nothing in {shell}: pip install --upgrade click")
    completion = kind(ctx.find_root().command, {}, _PROGRAM, _VARIABLE)
    # `source()` would first start the shell to ask for its version, which may be another one than the user's.
    click.echo(completion.source_template % completion.source_vars())
