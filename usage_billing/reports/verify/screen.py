"""Which summaries are proven by what their recordings add up to; those of others have to be read one by one. Pure."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from usage_billing.core.decimals import EXACT
from usage_billing.reports.verify.tally import NOTHING, Tally


def beyond(total: Decimal, allowance: Decimal | None) -> Decimal:
    """What of a total lies beyond an allowance; nothing where there is none."""
    return NOTHING if allowance is None else max(NOTHING, EXACT.subtract(total, allowance))


def is_proven(summary: Any, facts: Any, ordinals: Mapping[int, int]) -> bool:
    """Whether each recording has its place, time, owner and mark. ``ordinals`` has the sum of the hashes of 1 to n."""
    return bool(
        facts.wrong == 0
        and (facts.first, facts.last) == (1, facts.recorded)
        and facts.ordinals == ordinals.get(facts.recorded)
        and facts.beyond == beyond(facts.total, summary.allowance)
        and _follow(facts.first_beyond, facts.last_not_beyond)
        and _lies_between(summary.boundary, facts)
        and (facts.since is None or (summary.period_start <= facts.since and facts.until < summary.period_end))
        and facts.owners == facts.recorded * summary.owner
        and (summary.makes or facts.made == 0)
    )


def _follow(first_beyond: int | None, last_not_beyond: int | None) -> bool:
    """Whether what is beyond comes after what is not: one recording at most is divided, and it lies between them."""
    return first_beyond is None or last_not_beyond is None or last_not_beyond <= first_beyond


def _lies_between(boundary: int | None, facts: Any) -> bool:
    return boundary is None or not (
        (facts.first_beyond is not None and facts.first_beyond < boundary)
        or (facts.last_not_beyond is not None and facts.last_not_beyond > boundary)
    )


def filled(tally: Tally, facts: Any, digest: int) -> Tally:
    """A tally of the recordings as they are now."""
    return _filled(tally, facts, digest, beyond=facts.beyond, beyond_events=facts.beyond_events)


def filled_then(tally: Tally, facts: Any, digest: int, *, allowance: Decimal | None) -> Tally | None:
    """A tally of the recordings as they were at an earlier moment; None where only the recordings themselves tell it.

    ``allowance`` is that of the marks that recordings have now. They had the same marks then, unless one before them
    was taken back since. Whatever the marks, nothing lies beyond an allowance that was not used up, and everything
    beyond one of nothing.
    """
    over = beyond(facts.total, tally.allowance)
    if over == NOTHING:
        beyond_events = 0
    elif tally.allowance == NOTHING:
        beyond_events = facts.not_nothing
    elif tally.allowance == allowance and facts.taken_back_since == 0:
        beyond_events = facts.beyond_events
    else:
        return None
    return _filled(tally, facts, digest, beyond=over, beyond_events=beyond_events)


def _filled(tally: Tally, facts: Any, digest: int, *, beyond: Decimal, beyond_events: int) -> Tally:
    return Tally(
        tally.allowance,
        tally.events,
        tally.voids,
        recorded=facts.recorded,
        taken_back=facts.taken_back,
        total=facts.total,
        digest=digest,
        beyond=beyond,
        beyond_events=beyond_events,
        each=tally.each,
    )
