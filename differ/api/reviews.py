"""The HTTP routes of reviews: make, list, undo."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from differ.api.parameters import Id, ListParameters, NoParameters, ServiceId
from differ.api.problems import MEDIA_TYPE
from differ.api.reviewing import LONGEST_NAME, LONGEST_NOTE, Review, Reviewing, Wish
from differ.api.routes import PROBLEMS, Problem, ResourceList, one, paged
from differ.api.service import ReportService

Lists = Annotated[ListParameters, Query()]
Nothing = Annotated[NoParameters, Query()]

_PATH: Final = "/services/{service_id}/reviews"

_CONFLICT: Final[dict[int | str, dict[str, Any]]] = {
    409: {
        "description": "Another rule is about this, or there are too many",
        "content": {MEDIA_TYPE: {"schema": Problem.model_json_schema()}},
    }
}


class ReviewList(ResourceList[Review]):
    """Reviews, in the order in which they were made."""

    reviews: list[Review]


class ReviewRequest(BaseModel):
    """What is to be a rule."""

    model_config = ConfigDict(extra="forbid")

    signature: str = Field(max_length=64, description="id of a signature of the candidate's session")
    action: Literal["expect", "ignore"] = Field(
        description="expect: this change is meant, in this candidate; ignore: the field never matters here"
    )
    note: str = Field(min_length=1, max_length=LONGEST_NOTE, description="why")
    by: str = Field("", max_length=LONGEST_NAME, description="who agreed; empty is the caller")
    until: str = Field(
        "",
        max_length=10,
        description="the last day on which it applies, YYYY-MM-DD; empty for ever",
        json_schema_extra={"anyOf": [{"format": "date"}, {"const": ""}]},
    )
    candidate: str = Field(
        "",
        max_length=128,
        description="the session that shows the signature, by id or candidate; empty is the one last seen",
    )


def router(service: ReportService) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/v1", responses=PROBLEMS)
    reviewing = Reviewing(service)

    @routes.get(_PATH, response_model=ReviewList)
    async def list_reviews(request: Request, service_id: ServiceId, parameters: Lists) -> Response:
        page = await reviewing.page(service_id, parameters.page, parameters.query)
        return paged(request, ReviewList, "reviews", page)

    @routes.post(_PATH, response_model=Review, responses=_CONFLICT)
    async def create_review(service_id: ServiceId, _: Nothing, wanted: ReviewRequest) -> Response:
        return one(await reviewing.create(service_id, Wish(**wanted.model_dump())))

    @routes.delete(f"{_PATH}/{{review_id}}", status_code=204)
    async def delete_review(service_id: ServiceId, review_id: Id, _: Nothing) -> Response:
        await reviewing.delete(service_id, review_id)
        return Response(status_code=204)

    return routes
