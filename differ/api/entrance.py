"""What stands between the API's servers and whoever connects: who is let in, and TLS."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from differ.api.authentication import Authentication, authentication
from differ.api.settings import ApiSettings
from mirrordiff.process.settings import SettingsError
from mirrordiff.process.tls import Tls, tls


@dataclass(frozen=True, slots=True)
class Entrance:
    """What the servers are told about who may come in.

    ``hosts`` are the names that the HTTP server may be called by, beside addresses; None where any will do.

    ``secure`` where people reach the page by https: then its cookie goes no other way.
    """

    authentication: Authentication
    tls: Tls | None
    hosts: frozenset[str] | None
    secure: bool


def entrance(settings: ApiSettings) -> Entrance:
    """The one that the settings ask for. Raises SettingsError with every problem at once."""
    problems: list[str] = []
    secured: Tls | None = None
    try:
        secured = tls(settings)
    except SettingsError as error:
        problems += error.problems
    try:
        asked = authentication(settings)
    except SettingsError as error:
        raise SettingsError([*problems, *error.problems]) from None
    if problems:
        raise SettingsError(problems)
    public = urlsplit(settings.public_url)
    # What only this machine reaches is called by its name. A page from elsewhere that gave this address
    # to a name of its own would call it by that name.
    hosts = frozenset({public.hostname} if public.hostname else ()) if settings.api_http.is_loopback else None
    return Entrance(asked, secured, hosts, secured is not None or public.scheme == "https")
