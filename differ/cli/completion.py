"""``mirrordiff completion``: what a shell needs to complete the command."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of a SHELL: `source <(mirrordiff completion bash)`."""
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"there is no completion for {shell}")
    root = context.find_root()
    # The script alone, without asking the shell for its version as `source()` does for bash.
    made = kind(root.command, {}, "mirrordiff", "_MIRRORDIFF_COMPLETE")
    click.echo(made.source_template % made.source_vars())
