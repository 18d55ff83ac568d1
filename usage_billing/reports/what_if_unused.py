"""What allowances leave under terms that are tried: it is found anew from usage, and pays instead of what was left.

Source: docs/prepaid.md, "What a quota carries over".
"""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from itertools import count
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from usage_billing.catalog.models import UsageQuota
from usage_billing.core.decimals import PLACES, sum_of
from usage_billing.core.instants import INSTANT
from usage_billing.core.periods import period_at
from usage_billing.metering.budget import divide
from usage_billing.prepaid.burn_down import USUAL_PRIORITY, Drawable
from usage_billing.prepaid.rollover import Rollover
from usage_billing.reports.what_if_charges import History
from usage_billing.reports.what_if_purses import InHand, Purse
from usage_billing.subscriptions.agreement import AgreedPeriod, agreed_period
from usage_billing.wallets.models import Wallet

_NOTHING = Decimal(0)
_Key = tuple[str, str, datetime]
"""A subscription, a usage type, and when what its allowance left begins to pay."""


class Rule(NamedTuple):
    """What a version of a quota carries over, of a plan or of one subscription's own."""

    id: int
    subscription_id: str | None
    periods: int
    at_most: Decimal | None
    percent: int | None


class _Left(NamedTuple):
    amount: Decimal
    expires_at: datetime


def rules_of(session: Session, plan_id: str, subscription_ids: Collection[str]) -> dict[int, Rule]:
    """What the quotas of a plan carry over, and those that are these subscriptions' own, by id."""
    quota = UsageQuota
    columns = (quota.rollover_periods, quota.rollover_max, quota.rollover_percent)
    listed = quota.subscription_id.is_(None) & (quota.plan_id == plan_id)
    asked = select(quota.id, quota.subscription_id, *columns).where(
        quota.rollover_periods.is_not(None), or_(listed, quota.subscription_id.in_(subscription_ids))
    )
    return {
        row.id: Rule(row.id, row.subscription_id, row.rollover_periods, row.rollover_max, row.rollover_percent)
        for row in session.execute(asked)
    }


def carry_anew(in_hand: InHand, histories: Sequence[History], rules: Mapping[int, Rule], *, now: datetime) -> InHand:
    """The wallets with what the allowances of these histories left by ``now``, and not what was left in the books.

    Where no wallet pays for what is carried over, it is in one of its own, as one would be made.
    """
    moved = {one.subscription_id for one in histories}
    left = {key: found for one in histories for key, found in _left_of(one, rules, now)}
    ids = (UUID(int=number) for number in count(1))
    own = Wallet(id="", currency=None, subscription_id=None, fees=False)
    purses = [*in_hand.purses]
    lacking = {key[1] for key in left if in_hand.for_units(*key[:2]) is None}
    if lacking:
        purses.append(Purse(own, frozenset(lacking), [], [], []))
    whole = InHand(purses, in_hand.since)
    held: dict[str, dict[_Key, _Left]] = {}
    for key, found in left.items():
        purse = whole.for_units(*key[:2])
        if purse is not None:
            held.setdefault(purse.wallet.id, {})[key] = found
    return InHand([_carried(one, moved, held.get(one.wallet.id, {}), ids) for one in purses], in_hand.since)


def _carried(purse: Purse, moved: Collection[str], left: Mapping[_Key, _Left], ids: Iterator[UUID]) -> Purse:
    following = {one.grant_id for one in purse.rollovers if one.source_id is None}
    there = {_key(one): one for one in purse.grants if one.id in following and _key(one)[0] in moved}
    known = {one.id for one in there.values()}
    if not known and not left:
        return purse
    gone = {one.id for key, one in there.items() if key not in left}
    grants = [one for one in purse.grants if one.id not in known]
    rollovers = [
        replace(one, source_id=None, settled=_NOTHING) if one.source_id in gone else one
        for one in purse.rollovers
        if one.grant_id not in known
    ]
    for key, (amount, expires_at) in left.items():
        grant = replace(there[key] if key in there else _grant(key, next(ids)), amount=amount, expires_at=expires_at)
        grants.append(grant)
        rollovers.append(
            Rollover(grant_id=grant.id, source_id=None, begins=key[2], whole=amount, places=PLACES, settled=amount)
        )
    cuts = {*purse.cuts, *(key[2] for key in left), *(one.expires_at for one in left.values())}
    return replace(purse, grants=grants, rollovers=rollovers, cuts=sorted(cuts))


def _key(grant: Drawable) -> _Key:
    (name,), (usage_type,) = grant.subscriptions or ("",), grant.usage_types or ("",)
    return name, usage_type, grant.effective_at


def _grant(key: _Key, id: UUID) -> Drawable:
    return Drawable(
        id=id,
        amount=_NOTHING,
        priority=USUAL_PRIORITY,
        effective_at=key[2],
        usage_types=frozenset([key[1]]),
        subscriptions=frozenset([key[0]]),
        made_at=key[2],
    )


def _left_of(history: History, rules: Mapping[int, Rule], now: datetime) -> Iterator[tuple[_Key, _Left]]:
    """What each period left that ended by ``now`` and was not the last: by the version that held at its end."""
    if not rules:
        return
    line, name = history.timeline, history.subscription_id
    used: dict[str, list[tuple[datetime, Decimal]]] = {}
    for usage_type, at, quantity, _ in history.events:
        used.setdefault(usage_type, []).append((at, quantity))
    for of_type in used.values():
        of_type.sort()
    for at in _period_ends(history, now):
        following, before = line.segment_at(at), line.segment_at(at - INSTANT)
        if following is None or before is None:
            continue
        for usage_type in history.quotas.usage_types_of(before.plan_id, name):
            agreed = agreed_period(line, history.quotas, name, usage_type, at - INSTANT)
            quota = agreed.parts[-1].quota if agreed is not None and agreed.parts else None
            rule = None if quota is None else rules.get(quota.id)
            if agreed is None or rule is None or agreed.parts[-1].end != at:
                continue
            expires = at
            for _ in range(rule.periods):
                expires = period_at(expires, zone=line.zone, cadence=following.terms.cadence).end
            yield (name, usage_type, at), _Left(_amount(agreed, rule, used.get(usage_type, ()), at), expires)


def _period_ends(history: History, now: datetime) -> Iterator[datetime]:
    for term in history.timeline.terms:
        at = max(term.starts_at, history.since)
        while at <= now and (term.ends_at is None or at < term.ends_at):
            segment = history.timeline.segment_at(at)
            if segment is None:
                break
            at = segment.end
            if at == segment.period.end and at <= now:
                yield at


def _amount(agreed: AgreedPeriod, rule: Rule, used: Sequence[tuple[datetime, Decimal]], begins: datetime) -> Decimal:
    last = divide(agreed, [sum_of(_within(used, part.start, part.end)) for part in agreed.parts])[-1]
    if last.budget is None or last.remaining is None:
        return _NOTHING
    bounds = Rollover(
        grant_id=UUID(int=0),
        source_id=None,
        begins=begins,
        whole=last.budget,
        places=PLACES,
        at_most=rule.at_most,
        percent=rule.percent,
    )
    return bounds.of(last.remaining)


def _within(used: Sequence[tuple[datetime, Decimal]], start: datetime, end: datetime) -> Iterable[Decimal]:
    first, last = (bisect_left(used, at, key=lambda one: one[0]) for at in (start, end))
    return [quantity for _, quantity in used[first:last]]
