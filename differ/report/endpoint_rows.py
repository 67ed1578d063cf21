"""Where, and in which field: endpoints ranked by what a caller would notice, with their fields below."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from differ.core.excess import Word
from differ.core.names import short_hash
from differ.core.rate import Rate, percent
from differ.core.report_model import EndpointReport, FieldReport, SignatureReport, State
from differ.core.trend import Point
from differ.report.example import ExampleView
from differ.report.trend_plot import spark
from differ.report.view import Bar, CountView, EndpointsView, EndpointView, FieldView, LinkView
from differ.report.wanted import Wanted
from differ.report.words import GLYPHS, TONES, change, chip, counted, endpoint_anchor, spelled

CHIPS: Final = 3
"""Changes named in an endpoint's row; the rest is behind it."""

ENDPOINTS: Final = 40
"""Endpoints listed on one page."""

FIELDS: Final = 8
"""Lines below an endpoint in the list."""

FIELDS_ALONE: Final = 100
"""Lines below an endpoint that is shown alone."""

FROM_ENDPOINTS: Final = 3
"""From so many endpoints on, one change on all of them is shown as one."""

GROUPS: Final = 5
GROUP_SHOWN: Final = 5

_FILTERS: Final = {
    "regressed": ("Regressed", State.REGRESSED),
    "noise": ("Only noise", State.ONLY_NOISE),
    "same": ("Same", State.SAME),
    "uncompared": ("Not compared", State.NOT_COMPARED),
}


@dataclass(frozen=True, slots=True)
class Rows:
    """Makes the rows of one page.

    ``kept`` are the ids of kept diffs by signature, ``chosen`` the signature whose example is shown,
    ``samples`` one difference of each in words. ``saved`` are the examples of a page that stands alone,
    which lists everything, since it has nowhere to link to.
    """

    wanted: Wanted
    kept: Mapping[str, Sequence[str]]
    chosen: str
    samples: Mapping[str, str] = field(default_factory=dict)
    saved: Mapping[str, ExampleView] | None = None
    points: Sequence[Point] = ()

    def view(self, endpoints: Sequence[EndpointReport]) -> EndpointsView:
        """The endpoints that are wanted, with the ways to the others."""
        if self.saved is not None:
            every = tuple(self._endpoint(each, None) for each in endpoints)
            return EndpointsView(every, groups=tuple(groups(endpoints)))
        wanted = self.wanted
        alone = [
            each for each in endpoints if endpoint_anchor(each.endpoint) == f"endpoint-{wanted.endpoint}"
        ]
        if alone:
            back = LinkView("All endpoints", wanted.listing())
            rows = tuple(self._endpoint(each, FIELDS_ALONE) for each in alone)
            return EndpointsView(rows, alone=back, pages=self._pages(_lines(alone[0]), FIELDS_ALONE))
        needle = wanted.find.casefold()
        found = [each for each in endpoints if needle in each.endpoint.casefold()]
        shown, filters = self._filtered(found)
        start = (wanted.page - 1) * ENDPOINTS
        return EndpointsView(
            tuple(self._endpoint(each, FIELDS) for each in shown[start : start + ENDPOINTS]),
            filters=filters,
            groups=tuple(groups(endpoints)),
            find=wanted.find,
            # A handful is found by eye.
            findable=bool(needle) or len(endpoints) > FIELDS,
            pages=self._pages(len(shown), ENDPOINTS),
        )

    def _pages(self, rows: int, each: int) -> tuple[LinkView, ...]:
        """The pages of a list: first, last, and those around the one shown."""
        last = max(1, -(-rows // each))
        if last == 1:
            return ()
        here = min(self.wanted.page, last)
        numbers = sorted({1, last, *range(max(1, here - 2), min(last, here + 2) + 1)})
        return tuple(
            LinkView(str(number), self.wanted.link("endpoints", page=number), number == self.wanted.page)
            for number in numbers
        )

    def _filtered(self, found: Sequence[EndpointReport]) -> tuple[list[EndpointReport], tuple[LinkView, ...]]:
        counts = {name: sum(each.state is state for each in found) for name, (_, state) in _FILTERS.items()}
        # What is worth looking at first: the first group that has anything.
        show = self.wanted.show or next((name for name, count in counts.items() if count), "all")
        links = [
            LinkView(text, self.wanted.listing(show=name), show == name, counts[name])
            for name, (text, _) in _FILTERS.items()
        ]
        links.append(LinkView("All", self.wanted.listing(show="all"), show not in _FILTERS, len(found)))
        state = _FILTERS[show][1] if show in _FILTERS else None
        return [each for each in found if state is None or each.state is state], tuple(links)

    def _endpoint(self, each: EndpointReport, most: int | None) -> EndpointView:
        regressed = [one for place in each.fields if place.regressed for one in place.signatures]
        names = [chip(one) for one in regressed]
        if not names:
            names = [f"~ {place.field}" for place in each.fields if place.noisy or place.serve_time]
        judged = each.excess
        noise = judged.noise.value if judged.noise is not None else None
        failing = each.state is State.REGRESSED
        chosen = any(one.id == self.chosen for place in each.fields for one in place.signatures)
        fields = list(self._fields(each))
        alone = most == FIELDS_ALONE
        start = (self.wanted.page - 1) * FIELDS_ALONE if alone else 0
        shown = fields[start:] if most is None else fields[start : start + most]
        # What is shown below the list is in it, too.
        shown += [one for one in fields[len(shown) :] if not alone and one.example and one.example.current]
        anchor = endpoint_anchor(each.endpoint)
        own = self.wanted.listing(endpoint=anchor.removeprefix("endpoint-"))
        return EndpointView(
            id=anchor,
            route=each.endpoint,
            tone="fail" if failing else TONES[judged.word],
            glyph=GLYPHS[judged.word],
            chips=tuple(names[:CHIPS]),
            more=max(0, len(names) - CHIPS),
            pairs=f"{each.compared:,}",
            differ=str(judged.differ),
            noise="unknown" if judged.noise is None else str(judged.noise),
            net="–" if judged.net is None else percent(judged.net) if judged.noise else str(judged.differ),
            bar=Bar(
                100 * (judged.differ.value or 0.0),
                100 * (noise or 0.0),
                100 * judged.interval.lower,
                100 * judged.interval.upper,
            ),
            fields=tuple(shown),
            open=alone or chosen,
            state=each.state.value,
            notes=tuple(_notes(each)),
            href="" if self.saved is not None or alone else own,
            more_fields=0 if alone else len(fields) - len(shown),
            spark=spark(self.points, each.endpoint) if failing else None,
        )

    def _fields(self, each: EndpointReport) -> Iterator[FieldView]:
        """One line a signature, noise and ignored last."""
        for quiet in (False, True):
            for place in each.fields:
                if place.regressed is quiet:
                    continue
                for one in place.signatures:
                    yield self._signature(place, one)
                if not place.signatures:
                    yield _quiet(each, place)

    def _signature(self, place: FieldReport, one: SignatureReport) -> FieldView:
        return FieldView(
            id=f"signature-{one.id}",
            field=place.field,
            change=change(one),
            risk=one.risk,
            differ=str(one.differ),
            noise="–" if place.noise is None else str(place.noise),
            net="noise" if place.noisy else place.excess.net_text,
            disposition="noise" if place.noisy else "regression",
            note="; ".join(map(str, place.changes)),
            sample="" if one.signature.detail else self.samples.get(one.id, ""),
            example=self.example(one.id),
        )

    def example(self, signature: str) -> LinkView | None:
        """The link to the first example of a signature; None where there is none."""
        if self.saved is not None:
            shown = self.saved.get(signature)
            return None if shown is None else LinkView("example", f"#example-{shown.id}")
        count = len(self.kept.get(signature, ()))
        if not count:
            return None
        current = signature == self.chosen
        return LinkView(
            f"example {min(self.wanted.example, count) if current else 1} of {count}",
            self.wanted.link("example", signature=signature, example=1),
            current,
        )


def _lines(each: EndpointReport) -> int:
    """How many lines its fields take."""
    return sum(max(1, len(place.signatures)) for place in each.fields)


def _quiet(each: EndpointReport, place: FieldReport) -> FieldView:
    """A field that differs in no way that counts: serve-time values, control noise, ignored by rules."""
    ignored = sum(place.ignored.values())
    serve_time = sum(place.serve_time.values())
    count = ignored or serve_time or place.differ.count
    reason = "ignored by rule" if ignored else next(iter(place.serve_time), "v1 disagrees with itself")
    return FieldView(
        id=f"field-{short_hash('place', each.endpoint, place.field)}",
        field=place.field,
        change=f"~ {reason}" if not ignored else f"· {reason}",
        risk="",
        differ=str(Rate(min(count, each.compared), each.compared)),
        noise="–" if place.noise is None else str(place.noise),
        net="ignored" if ignored else "noise",
        disposition="ignored" if ignored else "noise",
        note="; ".join(map(str, place.changes)),
    )


def _notes(each: EndpointReport) -> Iterator[str]:
    if each.compared:
        need = "" if each.excess.word is not Word.INCONCLUSIVE else ", not decided yet"
        yield (
            f"Excess over noise {each.excess.net_text}, tolerated {percent(each.excess.tolerance)}{need}. "
            f"{each.raw.count:,} of {each.raw.total:,} pairs differ; at least "
            f"{counted(each.distinct_requests, 'distinct request')} seen."
        )
        if each.noise_source is None:
            yield "v1's own noise is not known here: there is neither a control nor a profile of it."
    for reason, count in sorted(each.skipped.items()):
        yield f"{count:,} not compared: {reason}."
    for (role, reason), count in sorted(each.unpaired.items()):
        yield f"{count:,} of the {role} alone: {spelled(reason)}."


def groups(endpoints: Sequence[EndpointReport]) -> Iterator[CountView]:
    """Changes that are the same on several endpoints: one cause, most likely, and one thing to review."""
    found: dict[tuple[str, str, str], list[SignatureReport]] = {}
    for each in endpoints:
        for place in each.fields:
            for one in place.signatures if place.regressed else ():
                signature = one.signature
                found.setdefault((signature.field, signature.kind, signature.detail), []).append(one)
    several = [same for same in found.values() if len(same) >= FROM_ENDPOINTS]
    for same in sorted(several, key=len, reverse=True)[:GROUPS]:
        where = ", ".join(one.signature.endpoint for one in same[:GROUP_SHOWN])
        more = f" and {len(same) - GROUP_SHOWN} more" if len(same) > GROUP_SHOWN else ""
        yield CountView(chip(same[0]), counted(len(same), "endpoint"), where + more)
