"""Brings the summaries of meters whose values do not add up to what they come to by now, and tells of it."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from usage_billing.flows.alerting.watch_totals import watch_totals
from usage_billing.flows.folding.claims import Terms
from usage_billing.flows.folding.value_levels import Key, ids_to_lock, value_levels
from usage_billing.flows.recording.context import new_summary
from usage_billing.flows.recording.exceeded import exceeded
from usage_billing.invoicing.metered_periods import periods_again
from usage_billing.metering.counted import Counted, ids_of, lock_counted, move_counted, to_rate_of_types
from usage_billing.metering.new_summaries import SummaryKey, create_summaries
from usage_billing.meters.queries import ActiveMeter
from usage_billing.outbox.service import tell
from usage_billing.subscriptions.lifecycle import Timeline
from usage_billing.subscriptions.queries import owner_of

_NOTHING = Decimal(0)


def value_again(
    session: Session, subscription_ids: Collection[str], meters: Mapping[str, ActiveMeter], *, as_of: datetime
) -> None:
    """Bring the meters of subscriptions whose terms may have changed to what their segments come to by now.

    It concerns summaries to be rated, which a change of terms marks, of meters whose values do not add up. Where values
    are divided by time, a segment that has begun by ``as_of`` gets its summary. Levels are reckoned as of then. The
    caller has locked the subscriptions.
    """
    names = [name for name, meter in meters.items() if not meter.adds_up]
    if not names or not (found := to_rate_of_types(session, subscription_ids, names)):
        return
    terms = Terms.of_subscriptions(session, {key.subscription_id for key in found})
    levels = levels_since([key for key in found if meters[key.usage_type_id].level is not None], terms)
    keys = [key for key in found if key[:2] not in levels]
    again = periods_again(keys, meters, terms.timelines, terms.quotas)
    known = ids_of(session, [*(place.key for place in again.places()), *again.strays])
    if missing := sorted(again.missing(known, as_of=as_of), key=lambda place: place.key):
        create_summaries(session, [new_summary(*one.key[:2], one.agreed, one.part) for one in missing])
        known |= ids_of(session, [one.key for one in missing])
    ids = {*known.values(), *ids_to_lock(session, levels)}
    totals = lock_counted(session, ids, to_rate_of=(), usage_types=())
    values = again.values(session, known)
    reckoned = value_levels(session, levels, meters, terms, as_of=as_of)
    told = move_counted(session, changed(values | reckoned.values, {}, totals, also=reckoned.by_cell))
    tell_of_beyond(session, told.passed, terms.timelines)
    watch_totals(session, told.watched)


def levels_since(keys: Sequence[SummaryKey], terms: Terms) -> dict[Key, datetime]:
    """By level: where the billing period begins of the first of these summaries."""
    found: dict[Key, datetime] = {}
    for key in keys:
        segment = terms.timelines[key.subscription_id].segment_at(key.period_start)
        begins = key.period_start if segment is None else segment.period.start
        found[key[:2]] = min(begins, found.get(key[:2], begins))
    return found


def tell_of_beyond(session: Session, keys: Collection[SummaryKey], timelines: Mapping[str, Timeline]) -> None:
    """Tell those who want to know that these summaries have gone beyond their allowance."""
    owners = {key.subscription_id: owner_of(session, key.subscription_id) for key in keys}
    tell(
        session,
        [
            exceeded(key, timelines[key.subscription_id], customer_id=owners[key.subscription_id], record_id=None)
            for key in keys
        ],
    )


def changed(
    values: Mapping[int, Decimal],
    moved: Mapping[int, tuple[int, int]],
    totals: Mapping[int, Decimal],
    *,
    also: Collection[int],
) -> dict[int, Counted]:
    """What is to be told to summaries that gained something, have another total, or are ``also`` told; by their ids."""
    return {
        id: Counted(values[id], *moved.get(id, (0, 0)))
        for id in sorted(values)
        if id in moved or id in also or max(values[id], _NOTHING) != totals.get(id, _NOTHING)
    }
