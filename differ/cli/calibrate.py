"""``mirrordiff calibrate``: keep how v1 differs from itself, so that a gate does not blame v2 for it."""

from __future__ import annotations

import click

from differ.cli import Exit
from differ.cli.client import Api, segment, with_api, written
from mirrordiff.redis_keys import resource_id


@click.command()
@click.argument("service")
@with_api
@click.option("--session", metavar="ID", default="calibration", show_default=True,
              help="The session of v1 against v1.")  # fmt: skip
@click.option("--forget", is_flag=True, help="Drop the profile there is.")
def calibrate(service: str, client: Api, session: str, forget: bool) -> int:  # noqa: FBT001  # click's way
    """Keep the noise of SERVICE's v1, measured by a session of v1 against v1.

    Run `mirrordiff up --primary URL --calibrate` and send requests first. Gates take the profile into
    account where no control answers, until it is older than the policy allows (7 days by default).

    Exit code: 0 done, 3 no such session or not one of v1 against v1, 4 the API cannot be reached.
    """
    path = f"/v1/services/{resource_id(service)}/profile"
    if forget:
        written(client, *client.request("DELETE", path))
        click.echo(f"{service}: no noise profile any more")
        return Exit.PASS
    answer = client.request("POST", path, {"session": segment(session, "session")})
    profile = written(client, *answer)
    click.echo(
        f"{service}: noise of v1 kept, from {int(profile['pairs']):,} pairs up to {profile['takeTime']}"
    )
    return Exit.PASS
