"""What is kept of recorded events, for any function of a meter. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from usage_billing.core.decimals import sum_of
from usage_billing.core.instants import INSTANT
from usage_billing.meters.values import State

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def state_of(used: Sequence[tuple[datetime, Decimal]], seen: set[Decimal]) -> State:
    """What is kept of events; ``seen`` are values that count elsewhere already, and gets theirs."""
    values = [value for _, value in used]
    new = set(values) - seen
    seen |= new
    latest = ((Decimal((at - _EPOCH) // INSTANT), Decimal(place), value) for place, (at, value) in enumerate(used))
    return State(
        events=len(used),
        total=sum_of(values),
        maximum=max(values, default=None),
        minimum=min(values, default=None),
        latest=max(latest, default=None),
        distinct_values=len(new),
    )
