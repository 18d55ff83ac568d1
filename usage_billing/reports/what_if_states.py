"""What is kept of recorded events, for any function of a meter. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from usage_billing.core.decimals import sum_of
from usage_billing.core.instants import INSTANT
from usage_billing.meters.stretches import minutes_within
from usage_billing.meters.values import State
from usage_billing.subscriptions.agreement import AgreedSegment

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


def when_counted(
    times: Sequence[datetime], values: Sequence[Decimal] | Decimal, part: AgreedSegment, *, zone: str
) -> list[tuple[datetime, Decimal]]:
    """What a meter counted in a part of a period: values that add up each where the bucket begins that has it.

    What other values come to all together counts where the part begins.
    """
    if isinstance(values, Decimal):
        return [(part.start, values)]
    bucket = timedelta(minutes=minutes_within(zone, part.start, part.end))
    return [(at - (at - _EPOCH) % bucket, value) for at, value in zip(times, values, strict=True)]
