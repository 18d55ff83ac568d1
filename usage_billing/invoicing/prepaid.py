"""What grants of wallets in money pay of drafts, and the tax of what they leave.

Source: docs/prepaid.md, "Wallets in money".
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from usage_billing.core.decimals import EXACT, sum_of
from usage_billing.core.identifiers import new_id
from usage_billing.invoicing.builder import ItemKind
from usage_billing.invoicing.models import PrepaidPart
from usage_billing.invoicing.taxable import TaxableItem
from usage_billing.prepaid.burn_down import Cause


@dataclass(frozen=True, slots=True)
class PayableCause:
    """What charges something, of a summary or a fee, on a draft or, with ``invoice_id`` None, on none."""

    summary_id: int
    fee_id: int
    invoice_id: UUID | None
    subscription_id: str
    usage_type_id: str | None
    plan_id: str | None
    period_end: datetime

    @property
    def cause(self) -> Cause:
        """What it charges for."""
        return Cause(self.summary_id, self.fee_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepaidLine:
    """What a grant pays of a cause on a draft; below 0: what goes back to it."""

    of: PayableCause
    wallet_id: str
    grant_id: UUID
    amount: Decimal
    id: UUID = field(default_factory=new_id)


PrepaidLines = Mapping[UUID, Sequence[PrepaidLine]]
"""By draft."""


def applied_of(lines: Iterable[PrepaidLine]) -> Decimal:
    """What grants pay of a draft in all."""
    return sum_of(line.amount for line in lines)


def taxable_prepaid(items: Sequence[TaxableItem], prepaid: PrepaidLines) -> list[TaxableItem]:
    """Each line as an item that lowers the base of its cause's tax; what is on no item is put right as it was taxed."""
    by_cause = {(item.invoice_id, item.summary_id or 0, item.fee_id or 0): item for item in items}
    found: list[TaxableItem] = []
    for invoice_id, lines in prepaid.items():
        for line in lines:
            of = line.of
            beside = by_cause.get((invoice_id, *of.cause))
            if beside is None:
                beside = TaxableItem(
                    id=line.id,
                    invoice_id=invoice_id,
                    kind=ItemKind.ADJUSTMENT,
                    amount=line.amount,
                    period_end=of.period_end,
                    summary_id=of.summary_id or None,
                    fee_id=of.fee_id or None,
                    purchase_id=None,
                    usage_type_id=of.usage_type_id,
                    plan_id=of.plan_id,
                    zone="UTC",
                )
            found.append(beside._replace(id=line.id, amount=EXACT.minus(line.amount)))
    return found


def parts_of(paid: Iterable[tuple[str, UUID, Decimal]]) -> list[PrepaidPart]:
    """What each grant paid in all, of what wallets and grants paid; none that comes to nothing."""
    sums: dict[tuple[str, UUID], Decimal] = {}
    for wallet_id, grant_id, amount in paid:
        sums[wallet_id, grant_id] = EXACT.add(sums.get((wallet_id, grant_id), Decimal(0)), amount)
    return [PrepaidPart(*names, amount) for names, amount in sorted(sums.items()) if amount]
