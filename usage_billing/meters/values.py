"""What a meter has come to in a span, by its function, from what is kept of the parts of that span. Pure."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction

import msgspec

from usage_billing.core.decimals import EXACT, PLACES, sum_of
from usage_billing.core.proration import part_of, quotient
from usage_billing.meters.definition import Function

_NOTHING = Decimal(0)


class State(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is kept of recordings that count: their number, the sum of their values, extremes, distinct values.

    ``latest`` is (microseconds since the epoch, ordinal, value). Of a level, ``total`` and ``weighted`` are those of
    ``levels.Change``. The extremes are None without recordings, or where
    the meter's function has no use for them.
    """

    events: int = 0
    total: Decimal = _NOTHING
    maximum: Decimal | None = None
    minimum: Decimal | None = None
    latest: tuple[Decimal, ...] | None = None
    distinct_values: int = 0
    weighted: Decimal = _NOTHING


def together(states: Iterable[State]) -> State:
    """All of them as one; distinct values are taken for different ones."""
    found = list(states)
    if len(found) <= 1:
        return found[0] if found else State()
    return State(
        events=sum(one.events for one in found),
        total=sum_of(one.total for one in found),
        maximum=max((one.maximum for one in found if one.maximum is not None), default=None),
        minimum=min((one.minimum for one in found if one.minimum is not None), default=None),
        latest=max((one.latest for one in found if one.latest is not None), default=None),
        distinct_values=sum(one.distinct_values for one in found),
        weighted=sum_of(one.weighted for one in found),
    )


def value_of(function: Function, state: State) -> Decimal | None:  # noqa: PLR0911  a case for each function
    """The function's value; None where it has none without recordings."""
    match function:
        case Function.SUM:
            return state.total
        case Function.COUNT:
            return Decimal(state.events)
        case Function.MAX:
            return state.maximum
        case Function.MIN:
            return state.minimum
        case Function.LATEST:
            return None if state.latest is None else state.latest[-1]
        case Function.UNIQUE_COUNT:
            return Decimal(state.distinct_values)
        case Function.AVERAGE:
            return quotient(Fraction(state.total), state.events) if state.events else None
        case Function.LEVEL:
            raise LookupError("a level is reckoned from when its changes were, by levels.py")


def value_together(function: Function, states: Sequence[State]) -> Decimal | None:
    """The function's value of all of them ``together``. What the function has no use for is not put together."""
    if len(states) == 1:
        return value_of(function, states[0])
    match function:
        case Function.SUM:
            return sum_of(one.total for one in states)
        case Function.COUNT:
            return Decimal(sum(one.events for one in states))
        case Function.MAX:
            return max((one.maximum for one in states if one.maximum is not None), default=None)
        case Function.MIN:
            return min((one.minimum for one in states if one.minimum is not None), default=None)
        case _:
            return value_of(function, together(states))


def values_of_segments(function: Function, states: Sequence[State], lengths: Sequence[int]) -> list[Decimal]:
    """What falls to each segment of a billing period, in order; ``lengths`` are theirs, in any one unit.

    What adds up is each segment's own. The greatest, and the number of distinct values, grow: a segment has what it
    added, where ``states`` count a value in the first segment that has it. Of every other function a segment has the
    share of the period's value that its time is of the whole. A value below 0 counts as 0, unless it adds up.

    Source: docs/metering.md, "A period that is cut".
    """
    if not function.is_divided and function != Function.MAX:
        return [value_of(function, state) or _NOTHING for state in states]
    if function == Function.MAX:
        so_far = (value_of(function, together(states[: end + 1])) for end in range(len(states)))
        reached = [max(value or _NOTHING, _NOTHING) for value in so_far]
        return [EXACT.subtract(now, before) for before, now in zip([_NOTHING, *reached], reached, strict=False)]
    whole = max(value_of(function, together(states)) or _NOTHING, _NOTHING)
    return shared_by_time(whole, lengths)


def shared_by_time(whole: Decimal, lengths: Sequence[int]) -> list[Decimal]:
    """``whole``, which may be negative, divided by running shares of time, rounded to 12 places."""
    all_time, running, found = sum(lengths), 0, list[Decimal]()
    size = whole.copy_abs()
    for length in lengths:
        start, running = running, running + length
        part = part_of(size, Fraction(start, all_time), Fraction(running, all_time), places=PLACES)
        found.append(part if whole >= 0 else EXACT.minus(part))
    return found


def fresh(state: State, distinct_values: int) -> State:
    """The state with another number of distinct values."""
    return msgspec.structs.replace(state, distinct_values=distinct_values)
