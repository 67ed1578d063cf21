"""From credentials to a caller: tokens of a file, tokens that Kubernetes knows, or everybody.

An API that asks nobody who they are is for one machine. On any other address it has to be wanted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from differ.api.access import ANYONE, Caller, Unauthenticated
from differ.api.settings import ApiSettings
from differ.api.tokenreview import TokenReview, in_cluster
from differ.api.tokens import Grants, TokenFile, TokensError
from mirrordiff.process.settings import PREFIX, SettingsError

LONGEST_TOKEN: Final = 16 * 1024


class Authentication(Protocol):
    """Says who asks."""

    @property
    def open(self) -> bool:
        """Whether nobody is asked."""
        ...

    async def caller(self, token: str | None) -> Caller:
        """Who has this token; None where none was sent.

        Raises Unauthenticated where it is nobody's, and ReviewUnavailable where that cannot be told.
        """
        ...


@dataclass(frozen=True, slots=True)
class Everybody:
    """Lets everybody do everything."""

    open: bool = True

    async def caller(self, token: str | None) -> Caller:  # noqa: ARG002  # whatever it is
        """Anyone."""
        return ANYONE


@dataclass(frozen=True, slots=True)
class Tokens:
    """Asks for a token of the file or, where there is a review, one that Kubernetes knows."""

    file: TokenFile
    review: TokenReview | None = None
    open: bool = False

    async def caller(self, token: str | None) -> Caller:
        """Who has this token."""
        if token is None:
            raise Unauthenticated
        if not token or len(token) > LONGEST_TOKEN:
            raise Unauthenticated("this token is not known")
        grants = self.file.grants
        found = grants.holder(token)
        if found is None and self.review is not None:
            user = await self.review.user(token)
            found = None if user is None else grants.of_user(user.name, user.groups)
            if user is not None and found is None:
                # Known and given nothing: the door says which scope that would take.
                found = Caller(user.name, frozenset())
        if found is None:
            other = "" if self.review is None else f", or is not for the audience {self.review.audience}"
            raise Unauthenticated(f"this token is not known{other}")
        return found


def bearer(header: str | None) -> str | None:
    """The token of an ``Authorization`` header or of gRPC's metadata; None where there is none.

    Raises Unauthenticated for credentials of another kind.
    """
    if header is None:
        return None
    kind, _, token = header.strip().partition(" ")
    if kind.lower() != "bearer":
        raise Unauthenticated
    return token.strip()


def authentication(settings: ApiSettings) -> Authentication:
    """The one that the settings ask for. Raises SettingsError with every problem."""
    if settings.tokens is None:
        problems = list(_unguarded(settings))
        if problems:
            raise SettingsError(problems)
        return Everybody()
    problems = []
    if settings.api_open:
        problems.append(f"{PREFIX}API_OPEN: cannot be true beside {PREFIX}TOKENS; leave one of them away")
    review: TokenReview | None = None
    if settings.token_review:
        try:
            review = TokenReview(in_cluster(settings.token_review_folder), settings.token_review_audience)
        except OSError as error:
            problems.append(
                f"{PREFIX}TOKEN_REVIEW: {error.filename}: {error.strerror}: is this in a cluster?"
            )

    def check(grants: Grants) -> list[str]:
        if not settings.token_review and (grants.users or grants.groups):
            return [f"users and groups are those of a cluster: they need {PREFIX}TOKEN_REVIEW=true"]
        return []

    try:
        file = TokenFile(settings.tokens, check)
    except TokensError as error:
        problems += [f"{PREFIX}TOKENS: {line}" for line in error.problems]
    else:
        if not problems:
            return Tokens(file, review)
    raise SettingsError(problems)


def _unguarded(settings: ApiSettings) -> Iterable[str]:
    if settings.token_review:
        yield f"{PREFIX}TOKEN_REVIEW: needs {PREFIX}TOKENS, which says what users and groups may do"
    if settings.api_open:
        return
    for name, address in (("API_HTTP", settings.api_http), ("API_GRPC", settings.api_grpc)):
        if not address.is_loopback:
            yield (
                f"{PREFIX}{name}: {address} can be reached by others, who would see captured responses: give "
                f"{PREFIX}TOKENS, or listen on 127.0.0.1, or let everybody in with {PREFIX}API_OPEN=true"
            )
