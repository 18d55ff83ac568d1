"""An invoice item, explained down to the recordings behind it, by the arithmetic that charged it."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from sqlalchemy import and_, exists, select
from sqlalchemy.orm import Session

from usage_billing.catalog.models import UsageQuota
from usage_billing.core.decimals import EXACT
from usage_billing.core.errors import NotFound
from usage_billing.invoicing.models import Invoice, UsageInvoiceItem
from usage_billing.metering.digest import hash_of, to_bytes
from usage_billing.metering.models import Usage, UsageVoid
from usage_billing.rating.engine import RatedAmount, rate, stored_price
from usage_billing.rating.pricing.base import Line


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsPage:
    """Recordings behind an item from an ordinal on; ``next`` is where the next page begins."""

    events: list[Usage]
    next: int | None

    @property
    def next_cursor(self) -> tuple[int] | None:
        """``next`` in the form of a list's cursor; None when no page follows."""
        return None if self.next is None else (self.next,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """How an item came to its amount, which is ``amount_due`` minus ``item.charged_before``.

    ``rated`` has the steps of the arithmetic; it is None for a base fee, and where nothing is due any more.
    """

    item: UsageInvoiceItem
    invoice: Invoice
    rated: RatedAmount | None
    amount_due: Decimal
    quota_version: int | None
    events: EventsPage

    @property
    def currency(self) -> str:
        """The currency of all its amounts."""
        return self.invoice.currency

    @property
    def breakdown(self) -> list[Line]:
        """The steps of the arithmetic, which add up to ``exact``."""
        if self.rated is None:
            return [Line(self.item.description, self.item.quantity, self.amount_due)]
        return self.rated.lines

    @property
    def exact(self) -> Decimal:
        """The amount due before the rounding, which happens once."""
        return self.amount_due if self.rated is None else self.rated.exact


def explain(session: Session, invoice_id: UUID, item_id: UUID, *, after: int = 0, limit: int = 100) -> Explanation:
    """Charge the item again from what is stored with it, and show a page of its recordings; raises NotFound."""
    row = session.execute(
        select(UsageInvoiceItem, Invoice, UsageQuota.version)
        .join(Invoice, Invoice.id == UsageInvoiceItem.invoice_id)
        .outerjoin(UsageQuota, UsageQuota.id == UsageInvoiceItem.quota_id)
        .where(UsageInvoiceItem.id == item_id, Invoice.id == invoice_id)
    ).first()
    if row is None:
        raise NotFound(f"there is no item {item_id} on invoice {invoice_id}")
    item, invoice, version = row
    rated = None
    if item.price is not None and item.allowance is not None:
        rated = rate(
            stored_price(item.price), item.billable, recordings=item.billable_events, currency=invoice.currency
        )
    return Explanation(
        item=item,
        invoice=invoice,
        rated=rated,
        amount_due=EXACT.add(item.charged_before, item.amount) if rated is None else rated.amount,
        quota_version=version,
        events=events_behind(session, item, after=after, limit=limit),
    )


def events_behind(session: Session, item: UsageInvoiceItem, *, after: int = 0, limit: int = 100) -> EventsPage:
    """The recordings that ``item`` knows of, in the order recorded, from the one after ordinal ``after``."""
    if item.summary_id is None:
        return EventsPage(events=[], next=None)
    found = list(
        session.scalars(
            select(Usage)
            .where(
                Usage.summary_id == item.summary_id,
                Usage.ordinal > after,
                Usage.ordinal <= item.events,
                ~exists().where(and_(UsageVoid.usage_id == Usage.id, UsageVoid.ordinal <= item.voids)),
            )
            .order_by(Usage.ordinal)
            .limit(limit + 1)
        )
    )
    more = len(found) > limit
    page = found[:limit]
    return EventsPage(events=page, next=page[-1].ordinal if more else None)


def hash_behind(session: Session, item: UsageInvoiceItem) -> bytes:
    """The hash over exactly the recordings behind ``item``; a reader compares it with the one stored with the item."""
    total, after = 0, 0
    while True:
        page = events_behind(session, item, after=after, limit=10_000)
        total += sum(hash_of(event.id, event.quantity) for event in page.events)
        if page.next is None:
            return to_bytes(total)
        after = page.next
