"""What wallets pay of usage that is reckoned anew: which grants would have paid for what, period by period.

Grants pay by the rule of docs/prepaid.md, "Which grant pays", and what they pay of a period is final when that ends.
What came after a grant was closed counts as if it had come in time.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from usage_billing.core.decimals import EXACT, sum_of
from usage_billing.drawing.money_needs import ChargedSegment, Window, wanted
from usage_billing.drawing.stretches import without_paid
from usage_billing.prepaid.allocating import allocate_all
from usage_billing.prepaid.burn_down import Draws, Need, NeedKey, windows_of
from usage_billing.prepaid.metered import wanted_by_window
from usage_billing.rating.price import Price
from usage_billing.reports.what_if_charges import History, ReckonedSegment, reckoned_until
from usage_billing.reports.what_if_purses import InHand, Purse

_NOTHING = Decimal(0)
Place = tuple[str, str, datetime]
"""A subscription, a usage type, and where a segment of it begins."""
Billed = tuple[datetime, Need]
"""What is wanted, and the end of the period with which it becomes final."""
Fee = tuple[str, datetime, Decimal]
"""A subscription, when the time begins that a base fee is for, and the fee."""


@dataclass(slots=True)
class Paid:
    """What the subscriptions of a customer are charged in each currency, and what grants in money pay of that."""

    charged: dict[str, Decimal] = field(default_factory=dict)
    prepaid: dict[str, Decimal] = field(default_factory=dict)


def pay(in_hand: InHand, histories: Sequence[History], fees: Sequence[Fee], until: datetime) -> Paid:
    """What these subscriptions of one customer are charged up to ``until`` for usage, and what grants pay of it.

    ``fees`` are those of times that begin before ``until``: they are not in ``charged``, and paid by wallets with fees.
    """
    plain = {one.subscription_id: reckoned_until(one, until, {}) for one in histories}
    ends = {one.subscription_id: one.timeline.terms[-1].ends_at for one in histories}
    windows = _in_units(in_hand, plain, ends)
    covered: dict[str, dict[tuple[str, datetime], Decimal]] = {}
    for (name, usage_type, start), of in windows.items():
        covered.setdefault(name, {})[usage_type, start] = sum_of(of.values())
    found, needs = Paid(), dict[str, list[Billed]]()
    ids = iter(range(1, 2**62))
    for history in histories:
        name = history.subscription_id
        periods = reckoned_until(history, until, covered[name]) if name in covered else plain[name]
        due = sum_of(segment.due for period in periods for segment in period)
        found.charged[history.currency] = EXACT.add(found.charged.get(history.currency, _NOTHING), due)
        purse = in_hand.for_money(name, history.currency)
        if purse is None:
            continue
        wants = needs.setdefault(purse.wallet.id, [])
        for period in periods:
            wants += _charges(history, period, purse, windows, ids)
        if purse.wallet.fees:
            wants += [
                (start, Need(key=NeedKey(0, start, next(ids)), subscription_id=name, usage_type_id="", quantity=amount))
                for of, start, amount in fees
                if of == name
            ]
    for purse in in_hand.purses:
        if purse.wallet.currency is not None:
            drawn = sum_of(_draw(purse, needs.get(purse.wallet.id, [])).values())
            currency = purse.wallet.currency
            found.prepaid[currency] = EXACT.add(found.prepaid.get(currency, _NOTHING), drawn)
    return found


def _in_units(
    in_hand: InHand,
    reckoned: Mapping[str, Sequence[Sequence[ReckonedSegment]]],
    ends: Mapping[str, datetime | None],
) -> dict[Place, dict[datetime, Decimal]]:
    """The units that are paid for of each segment, by window."""
    needs: dict[str, list[Billed]] = {}
    places: dict[int, Place] = {}
    for name, periods in reckoned.items():
        for segment in (one for period in periods for one in period):
            purse = in_hand.for_units(name, segment.usage_type)
            if purse is None or segment.price is None or segment.price.reads_each:
                continue
            id = len(places) + 1
            places[id] = (name, segment.usage_type, segment.start)
            needs.setdefault(purse.wallet.id, []).extend(
                (
                    segment.period_end,
                    Need(
                        key=NeedKey(id, start),
                        subscription_id=name,
                        usage_type_id=segment.usage_type,
                        quantity=quantity,
                        ends_at=ends[name],
                    ),
                )
                for start, quantity in _wanted(segment, purse)
            )
    found: dict[Place, dict[datetime, Decimal]] = {}
    for purse in in_hand.purses:
        for key, units in _draw(purse, needs.get(purse.wallet.id, [])).items():
            of = found.setdefault(places[key.need.summary_id], {})
            of[key.need.window_start] = EXACT.add(of.get(key.need.window_start, _NOTHING), units)
    return found


def _wanted(segment: ReckonedSegment, purse: Purse) -> list[tuple[datetime, Decimal]]:
    """What each window of a segment wants: by the marks of recordings, or of a meter by what it counted when."""
    starts = windows_of(segment.start, segment.end, purse.cuts)
    if segment.counted is None:
        return [(start, sum_of(mark for _, mark in inside)) for start, inside in _by_window(starts, segment.beyond)]
    parts = [sum_of(value for _, value in inside) for _, inside in _by_window(starts, segment.counted)]
    total = max(sum_of(value for _, value in segment.counted), _NOTHING)
    wanted = wanted_by_window(parts, total=total, beyond=sum_of(segment.measured.each))
    return list(zip(starts, wanted, strict=True))


def _charges(
    history: History,
    period: Sequence[ReckonedSegment],
    purse: Purse,
    paid: Mapping[Place, Mapping[datetime, Decimal]],
    ids: Iterator[int],
) -> Iterator[Billed]:
    """What the charges of a period want, group by group: segments of one price are charged as one quantity."""
    groups: dict[Price | None, list[ReckonedSegment]] = {}
    alone = any(one.price is None for one in period)
    for one in period:
        groups.setdefault(None if alone else one.price, []).append(one)
    for price, segments in groups.items():
        running, charged = _NOTHING, list[ChargedSegment]()
        whole = price is None or price.reads_each or segments[0].usage_type in history.meters
        for one in segments:
            running = EXACT.add(running, one.due)
            beforehand = paid.get((history.subscription_id, one.usage_type, one.start), {})
            counts = one.measured
            windows = (
                [Window(one.start, counts.quantity, counts.recordings)] if whole else _windows(one, purse, beforehand)
            )
            charged.append(ChargedSegment(summary_id=next(ids), amount=running, windows=windows))
        last = segments[-1].rated
        rule = None if price is None or price.reads_each or last is None else last.price
        for part in wanted(charged, rule, currency=history.currency):
            need = Need(
                key=NeedKey(part.summary_id, part.start),
                subscription_id=history.subscription_id,
                usage_type_id=segments[0].usage_type,
                quantity=part.amount,
            )
            yield segments[0].period_end, need


def _windows(segment: ReckonedSegment, purse: Purse, paid: Mapping[datetime, Decimal]) -> list[Window]:
    starts = windows_of(segment.start, segment.end, purse.cuts)
    pieces = windows_of(segment.start, segment.end, [*purse.cuts, *paid])
    inside = [marks for _, marks in _by_window(pieces, segment.beyond)]
    left = without_paid([sum_of(mark for _, mark in marks) for marks in inside], pieces, paid)
    found = []
    for index, start in enumerate(starts):
        end = starts[index + 1] if index + 1 < len(starts) else segment.end
        within = [place for place, at in enumerate(pieces) if start <= at < end]
        found.append(Window(start, sum_of(left[one] for one in within), sum(len(inside[one]) for one in within)))
    return found


def _by_window(
    starts: Sequence[datetime], marks: Sequence[tuple[datetime, Decimal]]
) -> Iterator[tuple[datetime, list[tuple[datetime, Decimal]]]]:
    for index, start in enumerate(starts):
        end = starts[index + 1] if index + 1 < len(starts) else None
        yield start, [one for one in marks if (index == 0 or start <= one[0]) and (end is None or one[0] < end)]


def _draw(purse: Purse, wants: Sequence[Billed]) -> Draws:
    """What each grant pays, when all is final: what was wanted by the end of a period stays as that was."""
    draws: Draws = {}
    for until in sorted({at for at, _ in wants}):
        seen = [need for _, need in wants if need.key.window_start < until]
        billed = {need.key for at, need in wants if at <= until}
        found = allocate_all(seen, purse.grants, draws, purse.rollovers, purse.overdraft).draws
        draws = {key: amount for key, amount in found.items() if key.need in billed}
    return allocate_all([need for _, need in wants], purse.grants, draws, purse.rollovers, purse.overdraft).draws
