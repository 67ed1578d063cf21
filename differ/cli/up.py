"""``mirrordiff up``: a real Envoy between two services, and everything that compares what they answer."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

import click

from differ.cli import Exit, Unreachable
from differ.cli.asking import Asker
from differ.cli.client import Api
from differ.cli.live import LiveView, wants_live
from differ.local import probe, profile
from differ.local.plan import API_PORT, GRPC_PORT, LISTEN_PORT, Flags, Plan, Problems, check
from differ.local.scratch import private_directory
from differ.local.signalled import Signalled
from differ.local.stack import CannotStartError, Stack, StopRequested
from mirrordiff.process.redis import UNAVAILABLE

F = TypeVar("F", bound=Callable[..., Any])

INTERRUPTED = 130
"""The shell's code for "ended by Ctrl-C"."""


def _flag(name: str, metavar: str, meaning: str, default: object = None) -> Callable[[F], F]:
    # Text, whatever it is: click would stop at the first fault, and here all of them are told at once.
    text = None if default is None else str(default)
    return click.option(name, metavar=metavar, default=text, show_default=default is not None, help=meaning)


@click.command()
@_flag("--primary", "URL", "v1, whose answer the client gets.  [required]")
@_flag("--shadow", "URL", "v2, the candidate, whose answers are compared and thrown away.  [required]")
@_flag("--control", "URL", "A second copy of v1, which shows how v1 differs from itself.")
@_flag("--listen", "[HOST:]PORT", "Where clients send their requests.", LISTEN_PORT)
@_flag("--service", "NAME", "What the mirrored service is called in reports.", "default")
@_flag("--candidate", "NAME", "Which build --shadow is; evidence starts anew with it.  [default: v2]")
@_flag("--primary-version", "NAME", "Which build --primary is.", "v1")
@_flag("--redis", "URL", "Use this Redis instead of starting one.")
@_flag("--workers", "N", "How many processes compare.", 1)
@_flag("--rules", "FILE", "What may differ, and why.")
@_flag("--policy", "FILE", "What a gate demands.")
@click.option("--calibrate", is_flag=True, help="Mirror v1 to itself, and keep how it differs as noise.")
@_flag("--profile", "FILE", "The noise that gates allow for; with --calibrate, where to write it.")
@click.option("--unsafe", is_flag=True, help="Mirror all methods: POST and the like then write twice.")
@_flag("--api-port", "PORT", "Page and HTTP API, on this machine.", API_PORT)
@_flag("--grpc-port", "PORT", "gRPC API, on this machine.", GRPC_PORT)
@click.option("--verbose", is_flag=True, help="Show what the processes log.")
def up(*, verbose: bool, **flags: object) -> int:
    """Mirror requests from one service to another and compare the answers, all on this machine.

    Starts a Redis, the collector, the workers, the API with its page, and an Envoy that routes to
    --primary and mirrors to the others. GET, HEAD and OPTIONS are mirrored; what could write goes to the
    primary alone. URLs: http://, https://, h2c:// or grpc:// (HTTP/2 without TLS). Ctrl-C stops it all.
    On a terminal the verdict and what was found are shown as they change.

    With --calibrate requests go to --primary and once more to it (or to --shadow, a second copy of v1),
    and what differs is v1's own noise. It is kept when you stop, in --redis and in the file --profile.
    """
    plan = checked(Flags(**flags))  # type: ignore[arg-type]
    with stopping() as (stop, hurry), running(plan, stop, hurry, verbose=verbose) as stack:
        if plan.profile is not None:
            profile.give(stack.redis_url, plan.service, plan.profile)
        click.echo(announcement(plan, stack))
        for line in unreachable(plan):
            click.echo(line, err=True)
        live = wants_live(sys.stdout) and not (verbose or plan.calibrate)
        ending = stack.watch(_live_view(plan).refresh) if live else stack.watch()
        if ending is not None:
            click.echo(f"\n{ending}\nEverything is being stopped.", err=True)
            return Exit.UNREACHABLE
        click.echo("Stopping.", err=True)
        return keep_noise(plan, stack) if plan.calibrate else Exit.PASS


def _live_view(plan: Plan) -> LiveView:
    api = Api(f"http://{plan.api_http}", timeout_s=1.0)  # Ctrl-C is not to wait long for an answer
    return LiveView(Asker(api, plan.service), sys.stdout)


def keep_noise(plan: Plan, stack: Stack) -> Exit:
    """Keep what a run of v1 against v1 has shown."""
    stack.flush()
    try:
        taken = profile.take(stack.redis_url, plan.service)
    except UNAVAILABLE:
        raise Unreachable("Redis does not answer: no noise was kept") from None
    if taken is None:
        click.echo("No noise was measured: no request was mirrored.", err=True)
        return Exit.INCONCLUSIVE
    if plan.profile_file is not None:
        try:
            profile.write(plan.profile_file, taken)
        except OSError as error:
            raise click.ClickException(
                f"{plan.profile_file}: {error.strerror}: nothing was written"
            ) from None
    places = [str(place) for place in (plan.profile_file, plan.redis_url and "your Redis") if place]
    click.echo(f"The noise of v1 in {profile.pairs(taken):,} pairs is kept in {' and '.join(places)}.")
    return Exit.PASS


def checked(flags: Flags) -> Plan:
    """The plan, or a usage error that lists all problems."""
    try:
        return check(flags)
    except Problems as problems:
        lines = "\n".join(f"  {line}" for line in problems.lines)
        raise click.UsageError(f"this cannot be started:\n{lines}") from None


@contextmanager
def stopping() -> Iterator[tuple[Signalled, Signalled]]:
    """Two events: set by the first and by the second signal to stop."""
    stop, hurry = Signalled(), Signalled()

    def on_signal(_: int, __: FrameType | None) -> None:
        (hurry if stop.is_set() else stop).set()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield stop, hurry
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def running(plan: Plan, stop: Signalled, hurry: Signalled, *, verbose: bool = False) -> Iterator[Stack]:
    """A started stack; all of it is gone at the end, processes and files.

    Ends the command where it cannot be started.
    """

    def show(name: str, line: str) -> None:
        click.echo(f"{name:>9} | {line}", err=True)

    with private_directory() as directory:
        stack = Stack(plan, directory, stop=stop, hurry=hurry, show=show if verbose else None)
        try:
            stack.start()
            yield stack
        except CannotStartError as error:
            click.echo(f"Error: {error}", err=True)
            sys.exit(Exit.UNREACHABLE)
        except StopRequested:
            sys.exit(INTERRUPTED)
        finally:
            stack.shutdown()


def announcement(plan: Plan, stack: Stack) -> str:
    """Where to send requests and where to look."""
    mirrored = "All methods are" if plan.unsafe else "GET, HEAD and OPTIONS are"
    rest = "" if plan.unsafe else "; what could write goes to the primary alone (--unsafe mirrors it too)"
    api = "" if plan.api_http.port == API_PORT else f" --api {plan.api_http}"
    metrics = ("\n" + " " * 20).join(
        f"http://{address}/metrics ({name})" for name, address in stack.http.items()
    )
    return (
        "mirrordiff is up.\n"
        f"\n  send requests to  http://{plan.listen}"
        f"\n  look at           http://{plan.api_http}"
        f"\n  ask by gRPC       {plan.api_grpc}"
        f"\n  ask for a verdict mirrordiff gate {plan.service}{api}"
        f"\n  watch it work     {metrics}\n"
        f"\n{mirrored} mirrored{rest}.\nCtrl-C stops everything."
    )


def unreachable(plan: Plan) -> list[str]:
    """A line for each service that nobody answers at: no fault, but worth knowing."""
    return [
        f"Note: nothing answers at {upstream.address} (--{role}) yet."
        for role, upstream in plan.upstreams.items()
        if not probe.connects(upstream.address)
    ]
