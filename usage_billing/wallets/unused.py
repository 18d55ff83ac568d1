"""What periods left of allowances, where quotas carry that over: a grant with each period's end, which follows usage.

It is computed from the terms and the usage of the period, when it is asked for. A grant that has come and is not stored
is counted like one that is.

Source: docs/prepaid.md, "What a quota carries over".
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.decimals import PLACES
from usage_billing.metering.budget import divide
from usage_billing.prepaid.rollover import Rollover
from usage_billing.subscriptions.agreement import AgreedPeriod
from usage_billing.wallets.models import Grant, GrantStatus, Wallet
from usage_billing.wallets.rolling import Place, Rule, Unused, rolling_of

_NOTHING = Decimal(0)
_TOTALS = text("""
    SELECT s.subscription_id, s.usage_type_id, s.period_start, s.total
    FROM usage_summaries AS s
    JOIN unnest(CAST(:subscriptions AS text[]), CAST(:types AS text[]), CAST(:starts AS timestamptz[]))
        AS k (subscription_id, usage_type_id, period_start) USING (subscription_id, usage_type_id, period_start)
    WHERE NOT s.frozen
""")
_TOTALS_UNTIL = text("""
    SELECT s.subscription_id, s.usage_type_id, s.period_start, sum(u.quantity) AS total
    FROM usage_summaries AS s
    JOIN unnest(CAST(:subscriptions AS text[]), CAST(:types AS text[]), CAST(:starts AS timestamptz[]))
        AS k (subscription_id, usage_type_id, period_start) USING (subscription_id, usage_type_id, period_start)
    JOIN usage AS u ON u.summary_id = s.id
    WHERE NOT s.frozen AND u.received_at < :until
        AND NOT EXISTS (SELECT FROM usage_voids AS v WHERE v.usage_id = u.id)
    GROUP BY 1, 2, 3
""")
_LAST = text("""
    SELECT unused_of AS subscription_id, usage_types[1] AS usage_type_id, max(effective_at) AS at
    FROM wallet_grants
    WHERE unused_of = ANY(CAST(:subscriptions AS text[]))
    GROUP BY 1, 2
""")
_PLACES = text("""
    SELECT wallet_id, customer_id, subscription_id, usage_type_id
    FROM wallet_scopes
    WHERE customer_id = ANY(CAST(:customers AS text[])) AND usage_type_id = ANY(CAST(:types AS text[]))
""")


def unused_due(session: Session, wallets: Sequence[Wallet], *, now: datetime) -> Iterator[tuple[str, Unused]]:
    """What is to be a grant of these wallets in units by ``now`` and is not stored, each with the wallet's id.

    It comes after all that is stored of its usage type and subscription, open or closed, in whatever wallet.
    """
    ids = {wallet.id for wallet in wallets if wallet.currency is None and wallet.closed_at is None}
    customers = {wallet.customer_id for wallet in wallets if wallet.id in ids}
    rolling = rolling_of(session, customers)
    if rolling is None:
        return
    asked = {"customers": sorted(customers), "types": sorted({place.usage_type_id for place in rolling.rules})}
    holders = {tuple(row)[1:]: row.wallet_id for row in session.execute(_PLACES, asked)}
    stored = session.execute(_LAST, {"subscriptions": sorted(rolling.subscription_ids)})
    last = {Place(row.subscription_id, row.usage_type_id): row.at for row in stored}
    for place, rules in sorted(rolling.rules.items()):
        customer_id = next(iter(rules.values())).customer_id
        own, shared = ((customer_id, name, place.usage_type_id) for name in (place.subscription_id, ""))
        wallet_id = holders.get(own) or holders.get(shared)
        if wallet_id in ids:
            since = last.get(place) or min(rule.asked_at for rule in rules.values())
            for unused in rolling.ended(place, since, now):
                yield wallet_id, unused


def unused_amounts(
    session: Session, customer_ids: Collection[str], grants: Iterable[Grant], *, until: datetime | None = None
) -> dict[UUID, Decimal]:
    """What those of ``grants`` have that carry over from an allowance and are open, by id.

    With ``until`` it is what had been left by the usage that had arrived before it.
    """
    following = [grant for grant in grants if grant.unused_of is not None and grant.status == GrantStatus.ACTIVE]
    rolling = rolling_of(session, customer_ids) if following else None
    if rolling is None:
        return dict.fromkeys((grant.id for grant in following), _NOTHING)
    periods: dict[UUID, tuple[Place, AgreedPeriod, Rule]] = {}
    for grant in following:
        place = place_of(grant)
        known = place in rolling.rules
        agreed, rule = rolling.period_before(place, grant.effective_at) if known else (None, None)
        if agreed is not None and rule is not None:
            periods[grant.id] = place, agreed, rule
    totals = _totals_of(session, [(place, agreed) for place, agreed, _ in periods.values()], until)
    return {
        grant.id: _left(grant, *periods[grant.id], totals) if grant.id in periods else _NOTHING for grant in following
    }


def place_of(grant: Grant) -> Place:
    """Of what a grant has what was left."""
    return Place(str(grant.unused_of), (grant.usage_types or [""])[0])


def closes_at(unused: Unused) -> datetime:
    """When what did not pay of it expires."""
    return unused.expires + timedelta(seconds=unused.rule.grace_seconds)


def _totals_of(
    session: Session, periods: Sequence[tuple[Place, AgreedPeriod]], until: datetime | None
) -> dict[tuple[Place, datetime], Decimal]:
    keys = [(place, part.start) for place, agreed in periods for part in agreed.parts]
    if not keys:
        return {}
    asked: dict[str, object] = {
        "subscriptions": [place.subscription_id for place, _ in keys],
        "types": [place.usage_type_id for place, _ in keys],
        "starts": [start for _, start in keys],
    }
    found = (
        session.execute(_TOTALS, asked) if until is None else session.execute(_TOTALS_UNTIL, asked | {"until": until})
    )
    return {(Place(row.subscription_id, row.usage_type_id), row.period_start): row.total for row in found}


def _left(
    grant: Grant,
    place: Place,
    agreed: AgreedPeriod,
    rule: Rule,
    totals: Mapping[tuple[Place, datetime], Decimal],
) -> Decimal:
    """What is carried over of what a period left, within the bounds of its rule."""
    last = divide(agreed, [totals.get((place, part.start), _NOTHING) for part in agreed.parts])[-1]
    if last.budget is None or last.remaining is None:
        return _NOTHING
    bounds = Rollover(
        grant_id=grant.id,
        source_id=None,
        begins=grant.effective_at,
        whole=last.budget,
        places=PLACES,
        at_most=rule.at_most,
        percent=rule.percent,
    )
    return bounds.of(last.remaining)
