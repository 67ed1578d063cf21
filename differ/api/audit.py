"""The audit log: an event for every answer that shows or exports what was captured, and for every review.

``body_shown`` says who, which diffs, and in which view, beside the time that every event has;
``review_made`` and ``review_undone`` say who, and which. Nothing captured is in any: ids of diffs are given
out by mirrordiff, services and sessions are resource names.
"""

from __future__ import annotations

from collections.abc import Iterable

from differ.api.access import Scope, current, require
from differ.api.resources import Diff, diff_of, service_name, session_name
from differ.store.evidence import Session
from differ.store.records import KeptDiff
from mirrordiff.process.logs import logger

log = logger("differ.audit")


def shown(session: Session, ids: Iterable[str], view: str) -> None:
    """Say that the current caller is shown captured content of these diffs.

    Called before it is shown. Raises PermissionDenied where the caller may not see bodies: whatever way
    led here, nobody passes without the scope and without an event.
    """
    listed = list(ids)
    if not listed:
        return
    require(Scope.BODY_READ)
    log.info(
        "body_shown",
        who=current().name,
        session=session_name(session.service_id, session.id),
        diffs=listed,
        view=view,
    )


def diffs(session: Session, kept: Iterable[KeptDiff], *, full: bool) -> tuple[Diff, ...]:
    """Kept diffs as the current caller may see them, and their being shown in the log."""
    rows = tuple(diff_of(each, session, full=full) for each in kept)
    if not full:
        return _allowed(session, rows)
    shown(session, map(_id, rows), "FULL")
    return rows


def _allowed(session: Session, rows: tuple[Diff, ...]) -> tuple[Diff, ...]:
    """Diffs in their BASIC view, as the current caller may see them.

    What differs is captured content: without ``body:read`` both values of each finding are left empty, and
    with it their being shown is logged.
    """
    if not current().may(Scope.BODY_READ):
        return tuple(_without_values(each) for each in rows)
    shown(session, (_id(each) for each in rows if each.findings), "BASIC")
    return rows


def reviewed(service_id: str, review_id: str, action: str, by: str) -> None:
    """Say that the current caller has made a review, in the name of ``by``."""
    log.info(
        "review_made",
        who=current().name,
        by=by,
        review=f"{service_name(service_id)}/reviews/{review_id}",
        action=action,
    )


def undone(service_id: str, review_id: str) -> None:
    """Say that the current caller has undone a review."""
    log.info("review_undone", who=current().name, review=f"{service_name(service_id)}/reviews/{review_id}")


def _id(diff: Diff) -> str:
    return diff.name.rpartition("/")[2]


def _without_values(diff: Diff) -> Diff:
    bare = [each.model_copy(update={"primary": "", "shadow": ""}) for each in diff.findings]
    return diff.model_copy(update={"findings": bare})
