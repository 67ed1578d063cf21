"""Review: a person says of a signature that it is meant, or that its field never matters; that is a rule.

The rule is made of the signature, kept beside the rules file, taken over by the workers within about a
second, shown with its note in the verdict, and gone once it is undone. Other rules begin another epoch:
pairs are counted anew.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final, TypeVar, get_args

from differ.api import audit
from differ.api.access import current
from differ.api.errors import ApiError, InvalidArgument, NotFound, Reason, StoreUnavailable, Violation
from differ.api.paging import Page, PageRequest
from differ.api.query import Column, Columns, Query
from differ.api.resources import Resource, rfc3339, service_name
from differ.api.service import LATEST, ReportService
from differ.core.rules import Rule, conflicting, reviewed_rule, with_reviewed
from differ.core.signature import Signature
from differ.report.rule_text import Said, accepting, ignoring
from differ.store import reviews as store
from differ.store.reviews import MOST_REVIEWS, Action
from mirrordiff.process.redis import UNAVAILABLE

Value = TypeVar("Value")

LONGEST_NOTE: Final = 500
LONGEST_NAME: Final = 100


class Review(Resource):
    """A rule that a person made of a signature. ``until`` and ``candidate`` are empty where it has none."""

    name: str
    action: str
    signature: str
    endpoint: str
    field: str
    rule: str
    note: str
    by: str
    create_time: str
    until: str
    candidate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody wants to be a rule, as it was said: nothing of it is checked yet."""

    signature: str
    action: str
    note: str
    by: str = ""
    until: str = ""
    candidate: str = ""


COLUMNS: Final[Columns[Review]] = {
    "name": Column(lambda each: each.name),
    "action": Column(lambda each: each.action),
    "signature": Column(lambda each: each.signature),
    "endpoint": Column(lambda each: each.endpoint),
    "field": Column(lambda each: each.field),
    "by": Column(lambda each: each.by),
    "until": Column(lambda each: each.until),
    "candidate": Column(lambda each: each.candidate),
    "create_time": Column(lambda each: each.create_time),
}


class Reviewing:
    """Makes, lists and undoes reviews. Raises errors of `differ.api.errors` alone."""

    def __init__(self, service: ReportService) -> None:
        self._service = service
        self._snapshots = service.snapshots
        self._reviews = service.snapshots.reviews

    async def page(self, service_id: str, page: PageRequest, query: Query) -> Page[Review]:
        """The reviews of a service, in the order in which they were made."""
        await self._service.service(service_id)
        kept = await _stored(self._reviews.of(service_id))
        found = query.apply([review_of(service_id, each) for each in kept], COLUMNS)
        return page.cut(found, "reviews", service_id, query.filter, query.order_by)

    async def create(self, service_id: str, wish: Wish) -> Review:
        """Make a rule of a signature.

        Raises InvalidArgument for what cannot be used, NotFound where there is no such signature, and an
        error of the reason REVIEW_CONFLICT or TOO_MANY_REVIEWS.
        """
        today = datetime.now(UTC).date()
        action, said = _checked(wish, today)
        snapshot = await self._service.snapshot(service_id, wish.candidate or LATEST)
        signature = next(
            (one.signature for one in snapshot.report.signatures if one.id == wish.signature), None
        )
        if signature is None:
            name = f"{service_name(service_id)}/sessions/{snapshot.session.id}/signatures/{wish.signature}"
            raise NotFound(Reason.SIGNATURE_NOT_FOUND, name)
        candidate = snapshot.session.candidate if action == "expect" else ""
        text, rule = _rule(signature, snapshot.session.service, candidate, said)
        kept = await _stored(self._reviews.of(service_id))
        self._check_conflicts(rule, kept, today)
        review = store.Review(
            id=rule.id,
            action=action,
            signature=wish.signature,
            endpoint=signature.endpoint,
            field=signature.field,
            rule=text,
            note=said.note,
            by=said.owner,
            created_us=int(datetime.now(UTC).timestamp() * 1_000_000),
            until="" if said.until is None else said.until.isoformat(),
            candidate=candidate,
        )
        if not await _stored(self._reviews.add(service_id, review)):
            raise ApiError(
                Reason.TOO_MANY_REVIEWS,
                f"a service has at most {MOST_REVIEWS} reviews; put lasting ones into the rules file",
            )
        audit.reviewed(service_id, review.id, action, said.owner)
        return review_of(service_id, review)

    async def delete(self, service_id: str, review_id: str) -> None:
        """Undo a review."""
        if not await _stored(self._reviews.remove(service_id, review_id)):
            raise NotFound(Reason.REVIEW_NOT_FOUND, f"{service_name(service_id)}/reviews/{review_id}")
        audit.undone(service_id, review_id)

    def _check_conflicts(self, rule: Rule, kept: list[store.Review], today: date) -> None:
        rules, _ = with_reviewed(self._snapshots.notes.from_file(), [each.rule for each in kept], today)
        other = conflicting(rules.rules, rule, today)
        if other is not None:
            reviewed = other.id in {each.id for each in kept}
            where = "a review: undo it first" if reviewed else "the rules file: change it there"
            raise ApiError(
                Reason.REVIEW_CONFLICT,
                f"rule {other.id} can be about the same difference. It is of {where}",
                rule=other.id,
            )


def review_of(service_id: str, row: store.Review) -> Review:
    """A review as it is answered."""
    return Review(
        name=f"{service_name(service_id)}/reviews/{row.id}",
        action=row.action,
        signature=row.signature,
        endpoint=row.endpoint,
        field=row.field,
        rule=row.rule,
        note=row.note,
        by=row.by,
        create_time=rfc3339(row.created_us),
        until=row.until,
        candidate=row.candidate,
    )


def _checked(wish: Wish, today: date) -> tuple[Action, Said]:
    """What was said, as far as it is right without the signature. Raises InvalidArgument."""
    faults: list[Violation] = []
    action = next((each for each in get_args(Action) if each == wish.action), None)
    if action is None:
        faults.append(Violation("action", "write expect or ignore"))
    note, by = wish.note.strip(), wish.by.strip() or current().name
    if not note:
        faults.append(Violation("note", "say why: a rule without a reason is none"))
    for field, text, most in (("note", note, LONGEST_NOTE), ("by", by, LONGEST_NAME)):
        if len(text) > most or not text.replace("\n", " ").isprintable():
            faults.append(Violation(field, f"at most {most} characters, and all of them visible"))
    until: date | None = None
    if wish.until:
        try:
            until = date.fromisoformat(wish.until)
        except ValueError:
            faults.append(Violation("until", "write a day, such as 2027-01-31"))
        else:
            if until < today:
                faults.append(Violation("until", "this day is past"))
    if faults or action is None:
        raise InvalidArgument(Reason.INVALID_ARGUMENT, *faults)
    return action, Said(note, by, until)


def _rule(signature: Signature, service: str, candidate: str, said: Said) -> tuple[str, Rule]:
    """The rule for a signature, as YAML and read. Raises InvalidArgument where there is none."""
    text = accepting(signature, service, candidate, said) if candidate else ignoring(signature, service, said)
    rule = reviewed_rule(text) if text else None
    if rule is None:
        raise InvalidArgument(
            Reason.INVALID_ARGUMENT, Violation("signature", "no rule can be made of it by this action")
        )
    return text, rule


async def _stored(call: Awaitable[Value]) -> Value:
    try:
        return await call
    except UNAVAILABLE:
        raise StoreUnavailable from None
