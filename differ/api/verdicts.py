"""The verdict's document, described.

The core writes the document and every surface gives it out as it is; this is what OpenAPI says about
it. ``Verdict.model_validate(document)`` holds for every document, and the message ``Verdict`` of
``report.proto`` parses every one.
"""

from __future__ import annotations

from pydantic import Field

from differ.api.resources import Resource


class Reason(Resource):
    """Why it is not PASS. ``have`` and ``needEstimate`` are in pairs."""

    code: str
    message: str
    endpoint: str = ""
    field: str = ""
    have: int | None = None
    need_estimate: int | None = None
    signatures: list[str] = Field(default_factory=list)


class Check(Resource):
    """One check of the gate: what was measured, the limit, the result, and whether it decides."""

    code: str
    name: str
    result: str
    mode: str
    measure: str = ""
    limit: str = ""
    endpoint: str = ""
    field: str = ""
    have: int | None = None
    need_estimate: int | None = None
    signatures: list[str] = Field(default_factory=list)


class Totals(Resource):
    """Over all endpoints."""

    same: str
    different: str
    skipped: dict[str, str]
    unpaired: dict[str, dict[str, str]]


class Counted(Resource):
    """``mismatches`` of ``n`` pairs."""

    n: int
    mismatches: int


class Bounds(Resource):
    """Bounds of the excess over the noise, valid at every look, and what is tolerated."""

    lower: float
    upper: float
    tolerance: float


class Judged(Resource):
    """A rate, the noise beside it, and the judgement on it."""

    n: int
    mismatches: int
    noise: Counted | None
    excess: Bounds
    need_estimate: int | None


class NoisyField(Judged):
    """A field that v1 disagrees with itself about, judged by itself."""

    field: str
    verdict: str


class EndpointVerdict(Judged):
    """What one endpoint says."""

    route: str
    verdict: str
    pooled: bool
    required: bool
    mode: str
    noise_source: str | None
    differing: int
    noisy_fields: list[NoisyField]


class Verdict(Resource):
    """PASS, FAIL or INCONCLUSIVE, with every check behind it."""

    name: str
    time: str | None
    verdict: str = Field(pattern="^(PASS|FAIL|INCONCLUSIVE)$")
    summary: str
    reasons: list[Reason]
    service: str
    candidate: str
    primary_version: str
    session: str
    epoch: int
    final: bool
    decided_time: str | None
    pairs: str
    paired_ratio: float | None
    need_estimate: int | None
    totals: Totals
    endpoints: list[EndpointVerdict]
    quiet: Judged | None
    checks: list[Check]
    policy: str
    report_uri: str
    etag: str
