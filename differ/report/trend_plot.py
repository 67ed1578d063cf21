"""Since when: a trend as shapes in a box of so many buckets by HEIGHT, and the same as a table.

The box is stretched to the page's width, so that there is no text in it; what has to be read stands
around it. Shares are of the pairs compared in a bucket; the line is what the policy tolerates.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from differ.core.rate import Rate, percent
from differ.core.trend import Point
from differ.report.view import Column, Part, SparkView, TrendRow, TrendView
from differ.report.words import counted

HEIGHT: Final = 100.0

FEW: Final = 20
"""Of fewer pairs a share is drawn pale: one more or less would change it by a twentieth."""

FEWEST: Final = 12
"""Buckets of the axis, at least."""

_TOPS: Final = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


def trend_view(points: Sequence[Point], tolerance: float) -> TrendView | None:
    """The plot; None where nothing was counted."""
    if not points:
        return None
    points = _padded(points)
    top = _top(max(_share(point) for point in points), tolerance)
    most = max(point.compared + point.skipped for point in points)
    different = sum(point.different for point in points)
    compared = sum(point.compared for point in points)
    times = [_time(point.start_s, points) for point in points]
    return TrendView(
        buckets=len(points),
        columns=tuple(
            _column(at, point, time, top, most)
            for at, (point, time) in enumerate(zip(points, times, strict=True))
            if point.compared or point.skipped
        ),
        limit=HEIGHT * (1 - tolerance / top),
        top=percent(top),
        most=counted(most, "pair"),
        tolerated=percent(tolerance),
        width=_width(points[0].width_s),
        first=times[0],
        last=_time(points[-1].start_s + points[-1].width_s, points),
        summary=(
            f"{Rate(different, compared)} of {counted(compared, 'pair')} differ beyond noise"
            f"{_since(points, [point.different for point in points], ', ')}."
        ),
        rows=tuple(
            TrendRow(
                time,
                f"{point.compared:,}",
                f"{point.different:,}",
                str(Rate(point.different, point.compared)),
                f"{point.noise:,}",
                f"{point.skipped:,}",
            )
            for point, time in zip(points, times, strict=True)
            if point.compared or point.skipped
        ),
    )


def spark(points: Sequence[Point], endpoint: str) -> SparkView | None:
    """When one endpoint differed, as one line of columns; None where it never did."""
    points = _padded(points) if points else ()
    counts = [point.by_endpoint.get(endpoint, 0) for point in points]
    most = max(counts, default=0)
    if not most:
        return None
    path = "".join(
        f"M{at} {HEIGHT:.0f}V{HEIGHT * (1 - count / most):.0f}h1V{HEIGHT:.0f}"
        for at, count in enumerate(counts)
        if count
    )
    return SparkView(len(points), path, f"Differs{_since(points, counts, ' ')}.")


def _padded(points: Sequence[Point]) -> Sequence[Point]:
    """With room for what is still to come: the first minute is no wall across the page."""
    last = points[-1]
    return [
        *points,
        *(Point(last.start_s + n * last.width_s, last.width_s) for n in range(1, FEWEST - len(points) + 1)),
    ]


def _since(points: Sequence[Point], counts: Sequence[int], joint: str) -> str:
    """From when to when there was any, behind ``joint``; empty where there was none."""
    where = [point for point, count in zip(points, counts, strict=True) if count]
    if not where:
        return ""
    first, last = _time(where[0].start_s, points), _time(where[-1].start_s, points)
    return f"{joint}first at {first}" + (f", last at {last}" if last != first else "")


def _share(point: Point) -> float:
    return point.different / point.compared if point.compared else 0.0


def _top(share: float, tolerance: float) -> float:
    """The end of the axis: a round share with room for the highest column, and for the line."""
    wanted = max(share, min(1.0, 2 * tolerance))
    return next((top for top in _TOPS if top >= wanted), 1.0)


def _column(at: int, point: Point, time: str, top: float, most: int) -> Column:
    kind = "different few" if point.compared < FEW else "different"
    same = point.compared - point.different - point.noise
    counts = {"different": point.different, "noise": point.noise, "same": same, "skipped": point.skipped}
    return Column(
        at=at,
        share=tuple(_stacked({kind: HEIGHT * _share(point) / top})),
        pairs=tuple(_stacked({kind: HEIGHT * count / most for kind, count in counts.items()})),
        title=f"{time}: {point.different:,} of {counted(point.compared, 'pair')} differ",
    )


def _stacked(heights: Mapping[str, float]) -> Iterator[Part]:
    """The parts that have a height, each on top of the one before."""
    top = HEIGHT
    for kind, height in heights.items():
        if height:
            top -= height
            yield Part(kind, top, height)


def _time(at_s: int, points: Sequence[Point]) -> str:
    """A time as fine as the buckets, with its day where they lie on several."""
    at = datetime.fromtimestamp(at_s, UTC)
    days = {datetime.fromtimestamp(point.start_s, UTC).date() for point in (points[0], points[-1])}
    day = f"{at:%d %b} " if len(days) > 1 else ""
    return f"{day}{at:%H:%M:%S}" if points[0].width_s < 60 else f"{day}{at:%H:%M}"


def _width(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds / 60:.3g} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"
