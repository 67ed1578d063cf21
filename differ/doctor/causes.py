"""Why captures are lost, pairs skipped, and answers alone: the likely cause of each, and what to do."""

from __future__ import annotations

from typing import Final

LOSSES: Final = {
    "queue_full": "Redis took captures more slowly than proxies shipped them: look at Redis' own load, add "
    "collectors, or give them a longer queue (MIRRORDIFF_QUEUE_BYTES)",
    "backlog_full": "workers are too few: the ready streams were at MIRRORDIFF_STREAM_LIMIT",
    "sampled_out": "captures came faster than could be stored or judged, so that a share of the requests was "
    "left out, both sides alike: add workers or Redis, or mirror less",
    "redis_refused": "Redis answered a write with an error: the collector's log names it; a Redis user "
    "without a command that this version needs is one",
    "shutdown_without_redis": "a collector was stopped while Redis was away",
    "unreadable_message": "something other than a proxy of a known version ships to the collector",
    "unreadable_entry": "something other than a proxy of a known version ships to the collector",
    "unreadable_response": "the capture filter in the proxies is of another version than the collector",
    "oversized_entry": "a response was shipped beyond every cap: the filter's cap is set too high",
    "assembly_full": "more responses over ext_proc are unfinished at once than a collector has memory for: "
    "add collectors",
    "cut_short": "a collector hung or was stopped: proxies gave up what it took too long to read",
    "unknown_role": "a log name does not begin with primary, shadow or control: write role/service/version",
    "unknown_service": "neither the log name nor the proxy's cluster name says which service it is",
    "no_identifier": "a proxy shipped entries before it said who it is",
    "no_request_id": "requests carry neither x-mirrordiff-pair nor x-request-id, so that nothing can pair: "
    "let the mirroring route stamp x-mirrordiff-pair",
}
"""By the reason that collectors count under."""

SKIPPED: Final = {
    "truncated": "bodies are larger than the cap: raise MIRRORDIFF_BODY_CAP and the filter's cap together",
    "not_captured": "the capture filter did not see the response: it is missing from a proxy's chain, or "
    "another filter answered before it",
    "upgrade": "connections were upgraded (WebSocket); what follows is not compared",
    "aborted": "clients went away before the response was complete, or a collector hung in the meantime",
}
"""By the reason that the comparison gives; others explain themselves."""

ONLY_PRIMARY: Final = (
    "the shadow's answers are not captured, or nothing is mirrored: look for the mirror in the route, for "
    "requests at v2, and for the capture filter with the role shadow in v2's proxies"
)
ONLY_SHADOW: Final = (
    "the primary's answers are not captured: look for the capture filter, with the role primary, in the "
    "proxies of v1"
)
NOTHING_SHARED: Final = (
    "the two answers to one request do not share an id: the mirrored request gets another x-request-id, or "
    "another path, on its way; let the mirroring route stamp x-mirrordiff-pair: %UNIQUE_ID%"
)
TWO_NAMES: Final = (
    "one has primaries alone and the other shadows alone: if they are one service, give both log names the "
    "same one (role/service/version)"
)
LATE: Final = (
    "the second answer came after the first had been given up: v2 is slower than MIRRORDIFF_HALF_TTL, or a "
    "proxy holds its log back for as long"
)
SHADOWS_ALONE: Final = (
    "a primary's answer was lost or not captured: look at the losses above, and whether every pod of v1 has "
    "the capture filter"
)
