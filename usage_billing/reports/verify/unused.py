"""What allowances left, found anew: of each period that a quota carries over from, by terms, recordings and fractions.

While usage moves it, only the bounds of what is booked are looked at; once the grant is closed, what it had.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.reports.verify.allowance import Bounds, allowances, budgets
from usage_billing.reports.verify.calendar import period_of
from usage_billing.reports.verify.difference import Difference
from usage_billing.reports.verify.terms import Agreement, Catalogue, Segment, load_agreements
from usage_billing.reports.verify.whole import stretch_of

_TINY = timedelta(microseconds=1)
_PLACES = 12
_NOTHING = Fraction(0)
_GRANTS = text(
    """
    SELECT g.id, g.amount, g.status, g.effective_at, g.expires_at, g.closes_at, g.unused_of, g.usage_types,
        g.wallet_id, g.category, g.subscription_ids, w.unit_name,
        EXISTS (SELECT FROM usage_voids AS v JOIN usage AS u ON u.id = v.usage_id
            WHERE u.subscription_id = g.unused_of AND v.voided_at >= g.closes_at)
        OR EXISTS (SELECT FROM subscription_changes AS c
            WHERE c.subscription_id = g.unused_of AND c.made_at >= g.closes_at) AS moved
    FROM wallet_grants AS g JOIN wallets AS w ON w.id = g.wallet_id
    WHERE g.unused_of IS NOT NULL AND (CAST(:only AS text) IS NULL
        OR EXISTS (SELECT FROM subscriptions WHERE id = :only AND customer_id = w.customer_id))
    ORDER BY g.unused_of, g.usage_types, g.effective_at
    """
)
_TOTALS = text(
    """
    SELECT s.period_start, sum(u.quantity) AS total
    FROM usage_summaries AS s JOIN usage AS u ON u.summary_id = s.id LEFT JOIN usage_voids AS v ON v.usage_id = u.id
    WHERE s.subscription_id = :subscription AND s.usage_type_id = :type AND NOT s.frozen AND v.usage_id IS NULL
        AND s.period_start >= :since AND s.period_start < :end
        AND u.received_at < coalesce(CAST(:until AS timestamptz), 'infinity')
    GROUP BY 1
    """
)


@dataclass(frozen=True, slots=True)
class Left:
    """What is carried over from a period: ``units``, which are never more than ``most``, and until when, if known."""

    units: Fraction
    most: Fraction
    expires: datetime | None


_NO = Left(_NOTHING, _NOTHING, None)


def left_before(
    session: Session,
    catalogue: Catalogue,
    agreement: Agreement,
    place: tuple[str, str],
    at: datetime,
    *,
    until: datetime | None = None,
) -> Left:
    """What the allowance of a usage type of a subscription (``place``) leaves that ends at ``at``.

    ``until``: by what had arrived before that.
    """
    parts = catalogue.parts(agreement, *place, at - _TINY)
    if not parts or not parts[-1][0].end == parts[-1][0].period[1] == at or catalogue.segment(agreement, at) is None:
        return _NO
    quota = parts[-1][1]
    if quota is None or quota.rollover_periods is None or quota.monthly_limit is None:
        return _NO
    start = parts[0][0].period[0]
    asked = {"subscription": place[0], "type": place[1], "since": start, "end": at, "until": until}
    totals = {row.period_start: row.total for row in session.execute(_TOTALS, asked)}
    bounds = Bounds((start, at), max(start, agreement.terms[0].starts_at), agreement.zone)
    stretches = [stretch_of(*part) for part in parts]
    used = [totals.get(segment.start, Decimal(0)) for segment, _ in parts]
    bound = allowances(bounds, stretches, used)[-1] or Decimal(0)
    budget = budgets(bounds, tuple(stretches))[0][-1] or _NOTHING
    most = budget
    if quota.rollover_max is not None:
        most = min(most, Fraction(quota.rollover_max))
    if quota.rollover_percent is not None:
        most = min(most, Fraction(floor(budget * quota.rollover_percent / 100 * 10**_PLACES), 10**_PLACES))
    units = min(most, max(Fraction(bound) - Fraction(used[-1]), _NOTHING))
    # Until when it holds is what was known when the period ended.
    known = _quota_before(_as_known(catalogue, at), agreement, place, at)
    periods = None if known is None else known.rollover_periods
    return Left(units, most, None if periods is None else _expiry(catalogue, agreement, at, periods))


def unused_now(
    session: Session, catalogue: Catalogue, grants: Iterable[Any], *, until: datetime | None = None
) -> dict[UUID, Fraction]:
    """What each of these open grants has that is unused of a subscription, by id."""
    grants = list(grants)
    agreements = load_agreements(session, {grant.unused_of for grant in grants})
    return {
        grant.id: left_before(
            session,
            catalogue,
            agreements[grant.unused_of],
            (grant.unused_of, grant.usage_types[0]),
            grant.effective_at,
            until=until,
        ).units
        for grant in grants
    }


def unused_differences(session: Session, only: str | None, catalogue: Catalogue) -> Iterator[Difference]:
    """What is wrong with what allowances left; of one subscription with those of its customer."""
    rows = session.execute(_GRANTS, {"only": only}).all()
    agreements = load_agreements(session, {row.unused_of for row in rows})
    begins: dict[tuple[str, str], list[datetime]] = {}
    for row in rows:
        place = (row.unused_of, row.usage_types[0])
        begins.setdefault(place, []).append(row.effective_at)
        closed = row.closes_at if row.status == "closed" else None
        left = left_before(session, catalogue, agreements[row.unused_of], place, row.effective_at, until=closed)
        yield from _grant(row, left, settled=closed is not None and _is_settled(catalogue, place[1], row))
    for place, stands in begins.items():
        should = list(_ends(catalogue, agreements[place[0]], place, stands[-1]))
        missing = sorted(set(should) - set(stands))
        if missing:
            message = f"nothing has what {place[1]} left at {missing[0]:%Y-%m-%dT%H:%MZ}, and {len(missing)} in all"
            yield Difference("wallet_rollover", f"subscription:{place[0]}", message)


def _grant(row: Any, left: Left, *, settled: bool) -> Iterator[Difference]:
    subject, amount = f"grant:{row.id}", Fraction(row.amount)
    if row.unit_name is None or row.category != "rollover" or row.subscription_ids != [row.unused_of]:
        yield Difference("wallet_rollover", subject, "it is not as what an allowance left")
    if settled and amount != left.units:
        yield Difference("wallet_rollover", subject, f"it had {row.amount}; the allowance left {_told(left.units)}")
    elif left.expires is not None and amount > left.most:
        yield Difference("wallet_rollover", subject, f"it has {row.amount}, at most {_told(left.most)} is carried over")
    if left.expires is not None and row.expires_at != left.expires:
        message = f"it holds until {row.expires_at:%Y-%m-%dT%H:%MZ}, not {left.expires:%Y-%m-%dT%H:%MZ}"
        yield Difference("wallet_rollover", subject, message)


def _is_settled(catalogue: Catalogue, usage_type: str, row: Any) -> bool:
    """Whether what it had when it was closed follows from what is there: nothing was taken back or agreed since."""
    asked = (one.asked_at for key, found in catalogue.quotas.items() if key[1] == usage_type for one in found)
    return not row.moved and all(at < row.closes_at for at in asked)


def _ends(catalogue: Catalogue, agreement: Agreement, place: tuple[str, str], last: datetime) -> Iterator[datetime]:
    """The ends of periods up to ``last`` that what is left must be carried over at, as it was asked for before."""
    at: datetime | None = agreement.runs_at(agreement.terms[0].starts_at)
    while at is not None and at < last:
        segment = catalogue.segment(agreement, at)
        if segment is None:
            at = agreement.runs_at(at + _TINY)
            continue
        at = segment.end
        if at == segment.period[1] and at <= last and catalogue.segment(agreement, at) is not None:
            quota = _quota_before(_as_known(catalogue, at), agreement, place, at)
            if quota is not None and quota.rollover_periods is not None:
                yield at


def _as_known(catalogue: Catalogue, at: datetime) -> Catalogue:
    """The catalogue without quotas that were asked for at ``at`` or later."""
    if all(one.asked_at < at for found in catalogue.quotas.values() for one in found):
        return catalogue
    known = {key: [one for one in found if one.asked_at < at] for key, found in catalogue.quotas.items()}
    return replace(catalogue, quotas={key: found for key, found in known.items() if found})


def _quota_before(catalogue: Catalogue, agreement: Agreement, place: tuple[str, str], at: datetime) -> Any | None:
    parts: Sequence[tuple[Segment, Any | None]] = catalogue.parts(agreement, *place, at - _TINY)
    return parts[-1][1] if parts else None


def _expiry(catalogue: Catalogue, agreement: Agreement, at: datetime, periods: int) -> datetime | None:
    """Where so many periods from ``at`` on end; None where the subscription was on plans of several cadences."""
    plans = [catalogue.plans[term.plan_id] for term in agreement.terms]
    if len({(plan.interval, plan.interval_count) for plan in plans}) > 1:
        return None
    for _ in range(periods):
        at = period_of(agreement.rhythm(plans[0]), at)[1]
    return at


def _told(units: Fraction) -> str:
    return f"{Decimal(units.numerator) / Decimal(units.denominator):f}"
