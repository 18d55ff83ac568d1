"""What a period would be charged if a version that is asked for cut it where usage was recorded on both sides."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from usage_billing.catalog.quotas import QuotaBook
from usage_billing.core.decimals import EXACT, sum_of
from usage_billing.invoicing.by_cell import Measured
from usage_billing.invoicing.reckoning import charge_period
from usage_billing.metering.budget import divide
from usage_billing.metering.queries import PeriodTotal
from usage_billing.metering.split import beyond_of_next
from usage_billing.metering.voids import counting_of
from usage_billing.subscriptions.agreement import agreed_period
from usage_billing.subscriptions.queries import Contract

_NOTHING = Decimal(0)


def cut_charges(
    session: Session, contract: Contract, book: QuotaBook, counted: Sequence[PeriodTotal], cut: datetime
) -> dict[datetime, tuple[Decimal, bool]]:
    """The charge of the period around ``cut``, by its start, and whether its usage has a price.

    ``counted`` has the summaries of one usage type. Each recording is put where it occurred: between segments none can
    be moved, so this is what the version would charge if it had been made before them.
    """
    usage_type = next((total.usage_type for total in counted), None)
    agreed = None if usage_type is None else agreed_period(contract.timeline, book, contract.id, usage_type, cut)
    if agreed is None:
        return {}
    here = [total for total in counted if agreed.part_at(total.period_start) is not None and not total.frozen]
    quantities: list[list[Decimal]] = [[] for _ in agreed.parts]
    for occurred_at, quantity in counting_of(session, [total.id for total in here]):
        part = agreed.part_at(occurred_at)
        if part is not None:
            quantities[agreed.parts.index(part)].append(quantity)
    divisions = divide(agreed, [sum_of(found) for found in quantities])
    measured = [_measured(found, division.allowance) for found, division in zip(quantities, divisions, strict=True)]
    charges = charge_period(agreed, measured, currency=contract.currency)
    due = sum_of(charge.due for charge in charges)
    return {agreed.period.start: (due, any(part.quota is not None for part in agreed.parts))}


def _measured(quantities: Sequence[Decimal], allowance: Decimal | None) -> Measured:
    each = [part for part in _beyond(quantities, allowance) if part]
    return Measured(sum_of(each), len(each), each)


def _beyond(quantities: Sequence[Decimal], allowance: Decimal | None) -> Iterator[Decimal]:
    before = _NOTHING
    for quantity in quantities:
        yield beyond_of_next(before, quantity, allowance)
        before = EXACT.add(before, quantity)
