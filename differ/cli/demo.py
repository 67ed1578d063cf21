"""``mirrordiff demo``: two sample services, ``up`` between them, requests, and what was found."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import click

from differ.cli import Exit, Unreachable
from differ.cli.up import INTERRUPTED, announcement, checked, running, stopping
from differ.local import probe, shop
from differ.local.load import send
from differ.local.plan import API_PORT, GRPC_PORT, LISTEN_PORT, Flags, Plan
from differ.local.ports import LOOPBACK, free_ports, why_not_free
from differ.local.process import Child
from differ.local.scratch import private_directory
from differ.local.signalled import Signalled
from differ.local.stack import Stack
from mirrordiff.process.settings import Address

JUDGED_WITHIN = 90.0
"""Seconds until every pair must be judged. A response whose twin never came is given up after 45."""


@click.command()
@click.option("--once", is_flag=True, help="End with the gate's exit code instead of staying up.")
@click.option(
    "--requests",
    "count",
    type=click.IntRange(1, 1_000_000),
    default=2000,
    show_default=True,
    metavar="N",
    help="How many requests to send.",
)
@click.option("--verbose", is_flag=True, help="Show what the processes log.")
def demo(*, once: bool, count: int, verbose: bool) -> int:
    """Watch faults being found: v1 of a small shop, a v2 with faults planted in it, a real Envoy between.

    v2 charges a cent less tax on some orders, forgets a product's weight, drops a header, and fails where
    a customer has no alerts. Both show the time of their answer, which differs by nature.
    """
    with stopping() as (stop, hurry), _shops() as urls:
        plan = checked(_flags(urls))
        with running(plan, stop, hurry, verbose=verbose) as stack:
            click.echo(f"Two shops are up: v1 at {urls[0]}, and v2 with planted faults at {urls[1]}.")
            click.echo(announcement(plan, stack))
            click.echo()
            answered = _send(plan, count, stop)
            _wait_until_judged(stack, answered, stop)
            if stop.is_set():
                return INTERRUPTED
            verdict = _gate(plan)
            if once:
                return verdict
            click.echo("\nEverything stays up until Ctrl-C.")
            ending = stack.watch()
            if ending is not None:
                raise Unreachable(f"{ending}\nEverything is being stopped.")
    return Exit.PASS


def _flags(urls: tuple[str, str]) -> Flags:
    """The usual ports where they are free, others where not: a demo asks for nothing."""
    usual = (LISTEN_PORT, API_PORT, GRPC_PORT)
    free = [
        port if why_not_free(Address(LOOPBACK, port)) is None else other
        for port, other in zip(usual, free_ports(len(usual)), strict=True)
    ]
    listen, api, grpc = map(str, free)
    return Flags(*urls, listen=listen, api_port=api, grpc_port=grpc)


@contextmanager
def _shops() -> Iterator[tuple[str, str]]:
    """The two services, ready; gives their URLs."""
    with private_directory() as directory:
        addresses = [Address(LOOPBACK, port) for port in free_ports(2)]
        children = [
            _shop(directory, version, address)
            for version, address in zip(("v1", "v2"), addresses, strict=True)
        ]
        try:
            for child, address in zip(children, addresses, strict=True):
                child.start()
                while not probe.connects(address):
                    if not child.running:
                        lines = "\n  ".join(child.last_lines())
                        raise Unreachable(f"the sample service did not start ({child.ending}):\n  {lines}")
                    time.sleep(0.02)
            yield f"http://{addresses[0]}", f"http://{addresses[1]}"
        finally:
            for child in children:
                child.stop(grace=2)


def _shop(directory: Path, version: str, address: Address) -> Child:
    command = [sys.executable, "-P", "-m", shop.__name__, version, str(address)]
    return Child(version, command, log=directory / f"{version}.log")


def _send(plan: Plan, count: int, stop: Signalled) -> int:
    """Send the requests; gives how many were answered."""
    statuses = send(plan.listen, shop.requests(count), stop=stop)
    with _progress(statuses, count, f"Sending {count:,} requests") as sent:
        answered = sum(1 for status in sent if status)
    if answered < count and not stop.is_set():
        click.echo(f"{count - answered:,} of {count:,} requests had no answer.", err=True)
    return answered


def _wait_until_judged(stack: Stack, answered: int, stop: Signalled) -> None:
    """Wait until the workers have counted as many pairs as there were answers, or the time is over."""
    with _progress(_newly_judged(stack, answered, stop), answered, "Comparing the answers") as judged:
        total = sum(1 for _ in judged)
    if (ending := stack.ended()) is not None:
        raise Unreachable(ending)
    if total < answered and not stop.is_set():
        click.echo(f"{answered - total:,} pairs were not judged within {JUDGED_WITHIN:.0f} s.", err=True)


def _newly_judged(stack: Stack, expected: int, stop: Signalled) -> Iterator[None]:
    """One item for each pair that was judged since, up to as many as are expected."""
    given, deadline = 0, time.monotonic() + JUDGED_WITHIN
    while given < expected and time.monotonic() < deadline and stack.ended() is None:
        now = min(expected, sum(_settled(address) for address in stack.worker_addresses))
        yield from [None] * (now - given)
        given = max(given, now)
        if given < expected and stop.wait(0.1):
            return


def _settled(worker: Address) -> int:
    _, text = probe.http_ask(worker, "/metrics")
    found = re.search(r"^mirrordiff_settled_total ([0-9.e+]+)$", text, re.MULTILINE)
    return int(float(found[1])) if found else 0


@contextmanager
def _progress(items: Iterable[object], length: int, label: str) -> Iterator[Iterable[object]]:
    """A bar on a terminal; elsewhere one line."""
    if sys.stdout.isatty():
        with click.progressbar(items, length=length, label=f"{label:24}") as bar:
            yield bar
    else:
        click.echo(f"{label} …")
        with nullcontext(items) as plain:
            yield plain


def _gate(plan: Plan) -> int:
    """Ask for the verdict and what was found, as a pipeline does."""
    click.echo()
    command = [sys.executable, "-P", "-m", "differ", "gate", plan.service, "--api", str(plan.api_http)]
    return subprocess.run(command, check=False).returncode
