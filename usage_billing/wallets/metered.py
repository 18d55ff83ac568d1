"""How what lies beyond the allowance of meters lies in the windows of a wallet: by the buckets that folds keep."""

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from usage_billing.core.decimals import EXACT
from usage_billing.meters.kept import totals_between
from usage_billing.prepaid.metered import wanted_by_window
from usage_billing.wallets.allocation import CoveredUsage

_NOTHING = Decimal(0)


def wanted_of_meters(
    session: Session,
    usage: Collection[CoveredUsage],
    windows: Mapping[int, Sequence[datetime]],
    cuts: Sequence[datetime],
) -> dict[int, list[Decimal]]:
    """What each window of these summaries of meters wants, by summary id; ``windows`` says where they begin.

    A bucket that a cut divides is in the window in which it begins.
    """
    found = totals_between(session, [one.id for one in usage], cuts)
    return {
        one.id: wanted_by_window(_counted(windows[one.id], found.get(one.id, {})), total=one.total, beyond=one.wants)
        for one in usage
    }


def _counted(starts: Sequence[datetime], stretches: Mapping[datetime | None, Decimal]) -> list[Decimal]:
    """What was counted in each window; the first has what lies before all cuts too."""
    found = [_NOTHING] * len(starts)
    for since, counted in stretches.items():
        place = 0 if since is None else max(bisect_right(starts, since) - 1, 0)
        found[place] = EXACT.add(found[place], counted)
    return found
