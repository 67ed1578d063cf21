"""What HTTP requests may say: ids in paths, and query parameters, each kind as one strict model."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from differ.api import query as queries
from differ.api.paging import LARGEST_SIZE, PageRequest
from differ.api.service import DEFAULT_GATE, View

NAME = Path(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9._~-]+$")
ServiceId = Annotated[str, NAME]
SessionId = Annotated[str, NAME]
Id = Annotated[str, NAME]


class _Parameters(BaseModel):
    """Query parameters; one that is not known is an error, since it would be a wish not granted."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True)


class NoParameters(_Parameters):
    """None at all."""


class ListParameters(_Parameters):
    """What every list takes."""

    page_size: int = Field(0, ge=0, le=2**31 - 1, description=f"at most {LARGEST_SIZE} are given; 0 is 50")
    page_token: str = Field("", max_length=64, description="nextPageToken of the page before")
    filter: str = Field("", description='comparisons joined by AND, such as risk = "high" AND pairs > 3')
    order_by: str = Field("", description="columns separated by commas, each with desc or nothing")

    @property
    def page(self) -> PageRequest:
        """The page asked for."""
        return PageRequest(self.page_size, self.page_token)

    @property
    def query(self) -> queries.Query:
        """Filter and order."""
        return queries.Query(self.filter, self.order_by)


class ViewParameters(ListParameters):
    """A list of what has a short and a long form."""

    view: View = Field(View.BASIC, description="FULL has the bodies too")


class GateParameters(_Parameters):
    """Which gate."""

    gate: str = Field(DEFAULT_GATE, max_length=128)


class CandidateParameters(_Parameters):
    """Which candidate."""

    candidate: str = Field("", max_length=256, description="without one, the candidate seen last")
