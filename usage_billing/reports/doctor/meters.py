"""Checks of meters: whether one is far behind, and what one could not count."""

from collections.abc import Iterator

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.meters.cells import named_values
from usage_billing.meters.counting import OTHER_SERIES
from usage_billing.meters.progress import FoldState, fold_states
from usage_billing.meters.queries import active_meters
from usage_billing.reports.doctor.finding import WARN, Finding, fine, listed

_BEHIND = 20_000
"""A meter is a second or so behind at any time; one that is more recordings behind than this waits for a worker."""

_LUMPED = text("""
    SELECT s.usage_type_id AS meter, count(DISTINCT s.subscription_id) AS subscriptions
    FROM meter_totals AS t
    JOIN usage_summaries AS s ON s.id = t.summary_id
    WHERE t.series = CAST(:other AS uuid) AND t.events > 0
    GROUP BY 1
    ORDER BY 1
""")


_UNREAD = 1_000
"""So many series more than subscriptions cost something; fewer are not worth a word."""
_SERIES = text("""
    SELECT usage_type_id AS meter, count(*) - count(DISTINCT subscription_id) AS more
    FROM meter_series
    GROUP BY 1
    HAVING count(*) - count(DISTINCT subscription_id) >= :least
    ORDER BY 1
""")


def check_meters(session: Session) -> Iterator[Finding]:
    """What is wrong with meters; nothing is said where there are none."""
    states = fold_states(session)
    if not states:
        return
    looked = (_behind(states), _skipped(states), _unfit(states), _lumped(session), _unread(session))
    found = [finding for finding in looked if finding]
    yield from found or [fine("meters", "every meter has counted what it should")]


def _behind(states: list[FoldState]) -> Finding | None:
    late = [f"{one.meter} has {one.recordings} recordings to count" for one in states if one.recordings > _BEHIND]
    if not late:
        return None
    cure = "see that a worker serves the queue folding, or run usage-billing usage-types fold"
    return Finding("meters", WARN, "meter_behind", f"meters are behind: {listed(late)}", cure)


def _skipped(states: list[FoldState]) -> Finding | None:
    what = [f"{one.meter} skipped {one.skipped}" for one in states if one.skipped]
    if not what:
        return None
    meter = next(one.meter for one in states if one.skipped)
    cure = f"usage-billing usage-types skipped {meter} lists them, and why"
    return Finding("meters", WARN, "meter_skipped", f"recordings have no value for a meter: {listed(what)}", cure)


def _unfit(states: list[FoldState]) -> Finding | None:
    what = [f"{one.unfit} of {one.meter}" for one in states if one.unfit]
    if not what:
        return None
    message = f"values of dimensions are a list, an object or too long, and count as null: {listed(what)}"
    cure = "let senders give a short text, or change the meter's dimensions: usage-billing usage-types change --help"
    return Finding("meters", WARN, "meter_unfit", message, cure)


def _lumped(session: Session) -> Finding | None:
    rows = session.execute(_LUMPED, {"other": OTHER_SERIES}).all()
    if not rows:
        return None
    what = [f"{row.meter} of {row.subscriptions} subscriptions" for row in rows]
    message = f"series beyond the limit are counted as one: {listed(what)}"
    cure = "raise the limit for later periods: usage-billing usage-types change METER --series-limit N"
    return Finding("meters", WARN, "meter_series_limit", message, cure)


def _unread(session: Session, *, least: int = _UNREAD) -> Finding | None:
    """Dimensions by which no price tells series apart, where there are many. Who reads /series is not recorded."""
    rows = session.execute(_SERIES, {"least": least}).all()
    meters, named = (active_meters(session), named_values(session)) if rows else ({}, {})
    what = []
    for row in rows:
        meter = meters.get(row.meter)
        if meter is None or meter.retired_at is not None:
            continue
        priced = {name for cell in named.get(row.meter, ()) for name in cell}
        unread = [one.name for one in meter.definitions[0][1].dimensions if one.name not in priced]
        if unread:
            what.append(f"{', '.join(unread)} of {row.meter}, {row.more} series more than subscriptions")
    if not what:
        return None
    message = f"no price names these dimensions, and each series costs rows: {listed(what)}"
    cure = "unless you read usage over time by them, keep others only: usage-billing usage-types change --help"
    return Finding("meters", WARN, "meter_dimension_unread", message, cure)
