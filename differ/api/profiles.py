"""Calibration: what a session of v1 against v1 has counted becomes the service's noise profile."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Annotated, Final, TypeVar

from fastapi import APIRouter, Query, Response
from pydantic import Field

from differ.api.errors import InvalidArgument, NotFound, Reason, StoreUnavailable, Violation
from differ.api.parameters import NoParameters, ServiceId
from differ.api.resources import Resource, rfc3339, service_name, session_name
from differ.api.routes import PROBLEMS
from differ.api.service import ReportService
from differ.store.decisions import KeptProfile
from differ.store.evidence import Session
from mirrordiff.process.redis import UNAVAILABLE

Value = TypeVar("Value")

CALIBRATION: Final = "calibration"
"""The candidate under which v1 is mirrored to itself."""


class Profile(Resource):
    """How a service's v1 differs from itself, over ``pairs``. ``takeTime`` is that of the last one."""

    name: str
    session: str
    take_time: str
    pairs: str


class TakeParameters(NoParameters):
    """Which session to take the profile from."""

    session: str = Field(CALIBRATION, min_length=1, max_length=128, pattern=r"^[A-Za-z0-9._~-]+$")


Takes = Annotated[TakeParameters, Query()]
Nothing = Annotated[NoParameters, Query()]

_PATH: Final = "/services/{service_id}/profile"


def router(service: ReportService) -> APIRouter:
    """The routes of a service's noise profile."""
    routes = APIRouter(prefix="/v1", responses=PROBLEMS)
    decisions = service.snapshots.decisions

    @routes.post(_PATH, response_model=Profile)
    async def take_profile(service_id: ServiceId, parameters: Takes) -> Response:
        profile = await _taken(service, service_id, parameters.session)
        await _stored(decisions.keep_profile(service_id, profile))
        return _answer(service_id, profile)

    @routes.get(_PATH, response_model=Profile)
    async def get_profile(service_id: ServiceId, _: Nothing) -> Response:
        profile = await _stored(decisions.profile(service_id))
        if profile is None:
            raise _no_profile(service_id)
        return _answer(service_id, profile)

    @routes.delete(_PATH, status_code=204)
    async def delete_profile(service_id: ServiceId, _: Nothing) -> Response:
        if not await _stored(decisions.forget_profile(service_id)):
            raise _no_profile(service_id)
        return Response(status_code=204)

    return routes


async def _taken(service: ReportService, service_id: str, session_id: str) -> KeptProfile:
    """The profile that a session makes. Raises where it is not of v1 against v1, or has no pairs."""
    snapshot = await service.snapshot(service_id, session_id)
    session, report = snapshot.session, snapshot.report
    if not _of_v1_alone(session):
        # Its differences would be taken for noise, and v2's faults be excused by themselves.
        raise _unfit(f"{session.id} compares {session.candidate}, which is not the build that v1 is")
    if not report.totals.compared:
        raise _unfit(f"{session.id} has no compared pairs yet")
    return KeptProfile(session.id, report.facts.last_us or snapshot.at_us, report.tally)


def _of_v1_alone(session: Session) -> bool:
    return session.candidate == CALIBRATION or set(session.primary_versions) == {session.candidate}


def _unfit(why: str) -> InvalidArgument:
    return InvalidArgument(Reason.INVALID_ARGUMENT, Violation("session", why))


def _no_profile(service_id: str) -> NotFound:
    return NotFound(Reason.PROFILE_NOT_FOUND, f"{service_name(service_id)}/profile")


async def _stored(call: Awaitable[Value]) -> Value:
    try:
        return await call
    except UNAVAILABLE:
        raise StoreUnavailable from None


def _answer(service_id: str, profile: KeptProfile) -> Response:
    shown = Profile(
        name=f"{service_name(service_id)}/profile",
        session=session_name(service_id, profile.session),
        take_time=rfc3339(profile.taken_us),
        pairs=str(sum(seen.compared for seen in profile.tally.endpoints.values())),
    )
    return Response(
        shown.model_dump_json(), media_type="application/json", headers={"Cache-Control": "no-cache"}
    )
