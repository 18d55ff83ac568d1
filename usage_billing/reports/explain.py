"""An invoice item, explained down to the recordings behind it, by the arithmetic that charged it."""

from collections.abc import Iterator
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
from usage_billing.metering.split import beyond_of_next
from usage_billing.rating.engine import RatedAmount, rate, stored_price
from usage_billing.rating.pricing.base import Line
from usage_billing.reports.explain_prepaid import PaidBeforehand, paid_beforehand
from usage_billing.reports.metered_events import metered_events

_NOTHING = Decimal(0)


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
class Row:
    """A quantity beyond the allowance, in how many recordings (None: not counted), and what it comes to."""

    quantity: Decimal
    recordings: int | None
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """How an item came to its amount, which is ``amount_due`` minus ``item.charged_before``.

    ``rated`` has the steps of the arithmetic; it is None for a base fee, and where nothing is due any more. It is of
    all that the item's price had to charge in the period so far. What came before the item's segment comes to
    ``item.before_amount``; the difference is what was due for the segment.
    ``beforehand`` has the grants that pay for it.
    """

    item: UsageInvoiceItem
    invoice: Invoice
    rated: RatedAmount | None
    amount_due: Decimal
    quota_version: int | None
    events: EventsPage
    beforehand: PaidBeforehand

    @property
    def currency(self) -> str:
        """The currency of all its amounts."""
        return self.invoice.currency

    @property
    def breakdown(self) -> list[Line]:
        """The steps of the arithmetic, which add up to ``exact``."""
        if self.rated is None:
            return [Line(self.item.description, self.item.quantity, self.amount_due)]
        before = self.item.before_amount
        if not before:
            return self.rated.lines
        return [*self.rated.lines, Line("less what came before in the period", _NOTHING, EXACT.minus(before))]

    @property
    def recordings(self) -> int | None:
        """In how many recordings the units beyond the allowance were reported; None for a meter."""
        return self._counted(self.item.billable_events)

    @property
    def so_far(self) -> "Row":
        """All that the price had to charge in the period, up to and with the item's segment."""
        item = self.item
        return Row(
            quantity=EXACT.add(item.before_quantity, item.billable),
            recordings=self._counted(item.before_recordings + item.billable_events),
            amount=EXACT.add(item.before_amount, self.amount_due),
        )

    @property
    def before(self) -> "Row":
        """What of it came before the item's segment."""
        item = self.item
        recordings = self._counted(item.before_recordings)
        return Row(quantity=item.before_quantity, recordings=recordings, amount=item.before_amount)

    def _counted(self, recordings: int) -> int | None:
        """The number; None for a meter, of which only quantities are summed."""
        return None if self.item.sources is not None else recordings

    @property
    def exact(self) -> Decimal:
        """What is due before it is rounded, once."""
        return self.amount_due if self.rated is None else EXACT.subtract(self.rated.exact, self.item.before_amount)


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
    rated = _rate(session, item, invoice.currency)
    return Explanation(
        item=item,
        invoice=invoice,
        rated=rated,
        amount_due=EXACT.add(item.charged_before, item.amount)
        if rated is None
        else EXACT.subtract(rated.amount, item.before_amount),
        quota_version=version,
        events=events_behind(session, item, after=after, limit=limit),
        beforehand=paid_beforehand(session, invoice, item),
    )


def _rate(session: Session, item: UsageInvoiceItem, currency: str) -> RatedAmount | None:
    """By the price with the period's parts in it, all that the item and what came before it have beyond.

    None where the price has a rule for each recording and earlier segments have a part: theirs are not kept.
    """
    if item.price is None or item.allowance is None:
        return None
    price = stored_price(item.rated_price or item.price)
    if price.reads_each and item.before_recordings:
        return None
    return rate(
        price,
        EXACT.add(item.before_quantity, item.billable),
        recordings=item.before_recordings + item.billable_events,
        currency=currency,
        each=list(_parts_behind(session, item)) if price.reads_each else (),
    )


def _parts_behind(session: Session, item: UsageInvoiceItem) -> Iterator[Decimal]:
    """How much of each recording behind an item lay beyond its allowance, of those of which a part did."""
    total = _NOTHING
    for event in _all_behind(session, item):
        if part := beyond_of_next(total, event.quantity, item.allowance):
            yield part
        total = EXACT.add(total, event.quantity)


def events_behind(session: Session, item: UsageInvoiceItem, *, after: int = 0, limit: int = 100) -> EventsPage:
    """The recordings that ``item`` knows of, in the order recorded, from the one after ordinal ``after``."""
    if item.summary_id is None:
        return EventsPage(events=[], next=None)
    if item.sources is not None:
        events, following = metered_events(session, item, after=after, limit=limit)
        return EventsPage(events=events, next=following)
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
    return to_bytes(sum(hash_of(event.id, event.quantity) for event in _all_behind(session, item)))


def _all_behind(session: Session, item: UsageInvoiceItem) -> Iterator[Usage]:
    after: int | None = 0
    while after is not None:
        page = events_behind(session, item, after=after, limit=10_000)
        yield from page.events
        after = page.next
