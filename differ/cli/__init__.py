"""The command ``mirrordiff``. Data goes to stdout, everything said about it to stderr.

Exit codes, the same for every command:

==== ============================================================
0    PASS, or the same
1    FAIL, or different
2    INCONCLUSIVE, or could not tell
3    wrong usage or configuration
4    a service could not be reached, or refused
==== ============================================================

One module a command; a module is imported when its command is called, so that no command pays for
another's libraries.
"""

from __future__ import annotations

import importlib
import keyword
import os
import sys
from enum import IntEnum

import click


class Exit(IntEnum):
    """What the process returns; see the table above."""

    PASS = 0
    FAIL = 1
    INCONCLUSIVE = 2
    USAGE = 3
    UNREACHABLE = 4


COMMANDS = {
    "up": "differ.cli.up",
    "demo": "differ.cli.demo",
    "collector": "differ.cli.processes",
    "worker": "differ.cli.processes",
    "api": "differ.cli.processes",
    "gate": "differ.cli.gate",
    "get": "differ.cli.get",
    "describe": "differ.cli.get",
    "watch": "differ.cli.watch",
    "review": "differ.cli.review",
    "doctor": "differ.cli.doctor",
    "compare": "differ.cli.compare",
    "rules": "differ.cli.rules",
    "policy": "differ.cli.policy",
    "calibrate": "differ.cli.calibrate",
    "envoy-config": "differ.cli.envoy_config",
    "import": "differ.cli.import_",
    "completion": "differ.cli.completion",
}
"""Each command and its module, in which the click command has the command's own name, as Python writes it."""


class Unreachable(click.ClickException):
    """A service that the command needs cannot be reached, or refused."""

    exit_code = Exit.UNREACHABLE


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        name = cmd_name.replace("-", "_")
        name = f"{name}_" if keyword.iskeyword(name) else name
        command = getattr(importlib.import_module(module), name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}.{cmd_name} is not a command")
        return command


@click.command(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mirrordiff", message="%(prog)s %(version)s")
def cli() -> None:
    """Compare what v1 answered with what its mirrored v2 answered, and say whether v2 may be released."""


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        code = cli.main(standalone_mode=False)
    except click.UsageError as error:
        error.show()
        sys.exit(Exit.USAGE)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code if isinstance(error, Unreachable) else Exit.USAGE)
    except click.Abort:
        sys.exit(130)  # the shell's code for "ended by Ctrl-C"
    except BrokenPipeError:
        # Whoever read our output has seen enough (`mirrordiff compare … | head`).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(Exit.UNREACHABLE)
    sys.exit(code if isinstance(code, int) else Exit.PASS)
