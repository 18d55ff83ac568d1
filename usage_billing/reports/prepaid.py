"""What was sold beforehand as finance books it: deferred, sold, recognised, breakage and refunded, for any span.

Every figure is a sum over the ledger, so deferred at the start + sold - recognised - breakage - refunded is deferred at
the end, whatever the span. What grants pay for at this moment without being posted is a figure of its own, and no
revenue.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.decimals import EXACT
from usage_billing.core.errors import FieldError, InvalidInput
from usage_billing.core.spans import Span
from usage_billing.drawing.books import all_allocations
from usage_billing.prepaid.ledger import cost_moved
from usage_billing.rating.currency import is_currency, minor_unit
from usage_billing.wallets.allocation import Allocation, provisional_of
from usage_billing.wallets.carrying import cost_by_now
from usage_billing.wallets.models import Grant, GrantStatus

MOST_LINES = 10_000
"""The most lines of an answer in JSON; as CSV it has all."""

_NOTHING = Decimal(0)
_AT_ONCE = 500  # customers whose grants are allocated by one round of statements
_KEYS = {"currency": "NULL", "day": "CAST(t.at AT TIME ZONE 'UTC' AS date)", "grant": "t.grant_id"}
_IN_SPAN = "(CAST(:since AS timestamptz) IS NULL OR t.at >= :since)"
_MOVED = """
    SELECT g.cost_currency AS currency, {key} AS key,
        coalesce(sum(CASE WHEN t.kind IN ('sold', 'returned', 'rolled_in', 'rolled_back') THEN t.cost ELSE -t.cost END)
            FILTER (WHERE NOT {within}), 0) AS start,
        coalesce(sum(CASE WHEN t.kind IN ('sold', 'rolled_in', 'rolled_back') THEN t.cost
            WHEN t.kind IN ('taken_back', 'rolled_out', 'rolled_off') THEN -t.cost END) FILTER (WHERE {within}), 0)
            AS sold,
        coalesce(sum(CASE t.kind WHEN 'used' THEN t.cost WHEN 'returned' THEN -t.cost END) FILTER (WHERE {within}), 0)
            AS recognised,
        coalesce(sum(t.cost) FILTER (WHERE {within} AND t.kind = 'expired'), 0) AS breakage,
        coalesce(sum(t.cost) FILTER (WHERE {within} AND t.kind = 'refunded'), 0) AS refunded,
        bool_or({within}) AS moved
    FROM wallet_transfers AS t
    JOIN wallet_grants AS g ON g.id = t.grant_id
    WHERE g.cost_currency IS NOT NULL AND (CAST(:currency AS text) IS NULL OR g.cost_currency = :currency)
        AND t.at < :until
    GROUP BY 1, 2
    ORDER BY 1, 2
"""
_GIVEN = text(f"""
    SELECT coalesce(w.unit_name, w.currency) AS unit_name,
        coalesce(sum(CASE t.kind WHEN 'given' THEN t.amount WHEN 'taken_back' THEN -t.amount END), 0) AS given,
        coalesce(sum(CASE t.kind WHEN 'used' THEN t.amount WHEN 'returned' THEN -t.amount END), 0) AS used,
        coalesce(sum(t.amount) FILTER (WHERE t.kind = 'expired'), 0) AS expired
    FROM wallet_transfers AS t
    JOIN wallet_grants AS g ON g.id = t.grant_id
    JOIN wallets AS w ON w.id = t.wallet_id
    WHERE g.cost_currency IS NULL AND g.category <> 'overdraft' AND {_IN_SPAN} AND t.at < :until
    GROUP BY 1
    ORDER BY 1
""")  # noqa: S608
_OWNERS = text("""
    SELECT g.id, g.wallet_id, w.customer_id
    FROM wallet_grants AS g
    JOIN wallets AS w ON w.id = g.wallet_id
    WHERE g.id = ANY(CAST(:ids AS uuid[]))
""")
_HOLDERS = text("""
    SELECT DISTINCT w.customer_id
    FROM wallet_grants AS g
    JOIN wallets AS w ON w.id = g.wallet_id
    WHERE g.status = 'active' AND g.cost_currency IS NOT NULL
        AND (CAST(:currency AS text) IS NULL OR g.cost_currency = :currency)
    ORDER BY 1
""")


class By(StrEnum):
    """What a line of the report is of."""

    CURRENCY = "currency"
    DAY = "day"
    GRANT = "grant"


@dataclass(slots=True, kw_only=True)
class PrepaidLine:
    """What was sold beforehand in one currency: in all, of a day in UTC, or of a grant.

    ``sold`` is less what was taken back as a mistake; what a reset kept is sold by one grant and not by others, which
    comes to nothing in all. ``provisional`` is the cost of what grants pay for at this moment
    and is not posted; None for a day.
    """

    currency: str
    day: date | None = None
    grant_id: UUID | None = None
    wallet_id: str | None = None
    customer_id: str | None = None
    deferred_at_start: Decimal = _NOTHING
    sold: Decimal = _NOTHING
    recognised: Decimal = _NOTHING
    breakage: Decimal = _NOTHING
    refunded: Decimal = _NOTHING
    provisional: Decimal | None = _NOTHING

    @property
    def deferred_at_end(self) -> Decimal:
        """What is owed to customers in units at the end of the span."""
        gained = EXACT.add(self.deferred_at_start, self.sold)
        return EXACT.subtract(gained, EXACT.add(EXACT.add(self.recognised, self.breakage), self.refunded))


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenUnits:
    """What was given in the span and cost nothing, in one unit, beside what of all that was used and has expired."""

    unit_name: str
    given: Decimal
    used: Decimal
    expired: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepaidReport:
    """The report from ``start`` (None: the first sale) to before ``end``."""

    start: datetime | None
    end: datetime
    as_of: datetime
    by: By
    lines: Sequence[PrepaidLine]
    given: Sequence[GivenUnits] = field(default_factory=list)


def prepaid_report(session: Session, span: Span, *, by: By, currency: str | None, now: datetime) -> PrepaidReport:
    """The report for a span, to this moment where that has no end; raises InvalidInput for an unknown currency."""
    if currency is not None and not is_currency(currency):
        message = "must be an ISO 4217 currency code such as USD"
        raise InvalidInput("the currency is unknown", fields=(FieldError("?currency", message, "unknown_currency"),))
    until = span.end or session.execute(text("SELECT clock_timestamp()")).scalar_one()
    asked = {"since": span.start, "until": until, "currency": currency}
    lines = _by_day(session, asked) if by == By.DAY else _lines(session, by, asked)
    if by != By.DAY:
        _add_provisional(session, lines, by=by, currency=currency, now=now)
    if by == By.GRANT:
        lines = _owned(session, [line for line in lines if _says_something(line)])
    given = [
        GivenUnits(unit_name=row.unit_name, given=row.given, used=row.used, expired=row.expired)
        for row in session.execute(_GIVEN, asked)
    ]
    return PrepaidReport(start=span.start, end=until, as_of=now, by=by, lines=lines, given=given)


def _lines(session: Session, by: By, asked: Mapping[str, Any]) -> list[PrepaidLine]:
    return [
        PrepaidLine(
            currency=row.currency,
            day=row.key if by == By.DAY else None,
            grant_id=row.key if by == By.GRANT else None,
            deferred_at_start=row.start,
            sold=row.sold,
            recognised=row.recognised,
            breakage=row.breakage,
            refunded=row.refunded,
            provisional=None if by == By.DAY else _NOTHING,
        )
        for row in session.execute(text(_MOVED.format(key=_KEYS[by], within=_IN_SPAN)), asked)
        if by != By.DAY or row.moved
    ]


def _by_day(session: Session, asked: Mapping[str, Any]) -> list[PrepaidLine]:
    """The days on which something moved, each from where the one before ended."""
    deferred = {line.currency: line.deferred_at_start for line in _lines(session, By.CURRENCY, asked)}
    days = _lines(session, By.DAY, asked)
    for line in days:
        line.deferred_at_start = deferred[line.currency]
        deferred[line.currency] = line.deferred_at_end
    return days


def _add_provisional(
    session: Session, lines: list[PrepaidLine], *, by: By, currency: str | None, now: datetime
) -> None:
    found: dict[str | UUID | None, PrepaidLine] = {
        (line.grant_id if by == By.GRANT else line.currency): line for line in lines
    }
    holders = session.scalars(_HOLDERS, {"currency": currency}).all()
    for first in range(0, len(holders), _AT_ONCE):
        for book in all_allocations(session, holders[first : first + _AT_ONCE], now=now, past=False):
            for grant in book.grants:
                drawn = provisional_of(book, grant)
                line = found.get(grant.id if by == By.GRANT else grant.cost_currency)
                if line is None or line.provisional is None or not drawn or grant.status != GrantStatus.ACTIVE:
                    continue
                line.provisional = EXACT.add(line.provisional, _cost_of(book, grant, drawn))


def _cost_of(book: Allocation, grant: Grant, drawn: Decimal) -> Decimal:
    """The cost of what a grant pays for and is not posted; below 0 of what is to come back."""
    out = EXACT.add(EXACT.subtract(grant.out, grant.rolled_over), book.carried_from(grant))
    whole, places = (cost_by_now(book, grant), book.amount_of(grant)), minor_unit(grant.cost_currency or "")
    cost = cost_moved(*whole, before=out, after=EXACT.add(out, drawn), places=places)
    return cost if drawn > 0 else EXACT.minus(cost)


def _says_something(line: PrepaidLine) -> bool:
    figures = (line.deferred_at_start, line.sold, line.recognised, line.breakage, line.refunded, line.provisional)
    return any(figures)


def _owned(session: Session, lines: list[PrepaidLine]) -> list[PrepaidLine]:
    owners = {row.id: row for row in session.execute(_OWNERS, {"ids": [line.grant_id for line in lines]})}
    for line in lines:
        if line.grant_id is not None:
            line.wallet_id, line.customer_id = owners[line.grant_id].wallet_id, owners[line.grant_id].customer_id
    return lines
