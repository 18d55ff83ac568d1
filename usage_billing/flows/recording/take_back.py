"""Recordings leave the totals of their summaries, and the marks of those that stay follow."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from sqlalchemy.orm import Session

from usage_billing.alerts.service import look_at_wallets_beside
from usage_billing.core.decimals import EXACT
from usage_billing.flows.alerting.watch_totals import watch_totals
from usage_billing.flows.recording.divide_periods import divide_cut_periods
from usage_billing.metering.boundary import move_boundaries, unmark
from usage_billing.metering.digest import hash_of
from usage_billing.metering.models import Usage
from usage_billing.metering.new_summaries import NewSummary, SummaryKey
from usage_billing.metering.summaries import RunningTotal, save_totals
from usage_billing.metering.voids import CountingUsage

_NOTHING = Decimal(0)


def take_back(
    session: Session,
    summaries: Sequence[NewSummary],
    totals: Mapping[SummaryKey, RunningTotal],
    *,
    gone: Mapping[SummaryKey, Sequence[Usage | CountingUsage]],
) -> None:
    """Let the recordings ``gone``, which count no more, leave their locked summaries; saves what has changed.

    ``totals`` has all that ``lock_totals`` locked for ``summaries``; the marks of ``gone`` were read after that.
    """
    for key, recordings in gone.items():
        total = totals[key]
        for recording in recordings:
            total.voids += 1
            total.digest -= hash_of(recording.id, recording.quantity)
            total.total = EXACT.subtract(total.total, recording.quantity)
            if recording.beyond_limit:
                total.beyond_limit = EXACT.subtract(total.beyond_limit, recording.beyond_limit)
                total.beyond_events -= 1
    marked = [one.id for recordings in gone.values() for one in recordings if one.beyond_limit]
    unmark(session, marked)
    moved = divide_cut_periods(session, summaries, totals, added=dict.fromkeys(gone, _NOTHING))
    move_boundaries(session, [(totals[key], totals[key].allowance) for key in gone])
    save_totals(session, [totals[key] for key in sorted(moved | gone.keys())])
    watch_totals(session, [key for key in gone if totals[key].next_alert is not None])
    look_at_wallets_beside(session, {key.subscription_id for key in gone})
