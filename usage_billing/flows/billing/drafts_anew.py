"""What the next run would put on drafts of what it is to look at again, beside what stands there now."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy.orm import Session

from usage_billing.core.decimals import EXACT
from usage_billing.flows.billing.agreements import read_agreements
from usage_billing.flows.billing.foreseen_books import foreseen_books
from usage_billing.flows.billing.invoice_subscriptions import charge_subscriptions
from usage_billing.invoicing.models import Invoice, UsageInvoiceItem

_NOTHING = Decimal(0)
_ItemKey = tuple[str, datetime, str, str, datetime]


@dataclass(slots=True, kw_only=True)
class DraftChange:
    """An item of a draft, of a usage type or of a base fee (None), that begins at ``item_start``: its amount on the
    draft ``now`` and ``then``, in units of the currency.

    ``invoice_id`` is None for a draft that the run makes. ``unbilled``: usage that no run has rated is in ``then``.
    """

    subscription_id: str
    invoice_id: UUID | None
    invoice_kind: str
    period_start: datetime
    period_end: datetime
    currency: str
    usage_type_id: str | None
    item_kind: str
    item_start: datetime
    now: Decimal = _NOTHING
    then: Decimal = _NOTHING
    unbilled: bool = False

    @property
    def difference(self) -> Decimal:
        """What the run adds."""
        return EXACT.subtract(self.then, self.now)


def drafts_anew(
    session: Session,
    opened: Mapping[str, datetime | None],
    *,
    now: datetime,
    adjust_within: timedelta,
) -> list[DraftChange]:
    """The items of drafts of these subscriptions that a run as of ``now`` would change, in order.

    What is due without usage counts up to the instant beside each subscription; a run that came before looked no
    further, and what it would find after that is new. Nothing is locked or written.
    """
    agreements = read_agreements(session, opened)
    books = foreseen_books(session, agreements, now=now)
    marked = {summary.key for summary in books.summaries.values()}
    stored = {draft.invoice.id for draft in books.drafts.drafts.values()}
    before = {name: books.drafts.shown(name) for name in opened}
    charge_subscriptions(books, agreements, as_of=now, adjust_within=adjust_within)
    found: list[DraftChange] = []
    for name, looked in opened.items():
        items: dict[_ItemKey, DraftChange] = {}
        for invoice, lines in before[name]:
            for line in lines:
                change = _change_of(items, name, invoice, line, stored)
                change.now = EXACT.add(change.now, line.amount)
        for invoice, lines in books.drafts.shown(name):
            for line in lines:
                change = _change_of(items, name, invoice, line, stored)
                change.then = EXACT.add(change.then, line.amount)
        found += [
            one
            for one in sorted(items.values(), key=_order)
            if one.difference
            and ((name, one.usage_type_id, one.item_start) in marked or looked is None or one.item_start < looked)
        ]
    return found


def _change_of(
    items: dict[_ItemKey, DraftChange], name: str, invoice: Invoice, line: UsageInvoiceItem, stored: Collection[UUID]
) -> DraftChange:
    key = (invoice.kind, invoice.closes_at, line.usage_type_id or "", line.kind, line.period_start)
    if key not in items:
        items[key] = DraftChange(
            subscription_id=name,
            invoice_id=invoice.id if invoice.id in stored else None,
            invoice_kind=invoice.kind,
            period_start=invoice.period_start,
            period_end=invoice.period_end,
            currency=invoice.currency,
            usage_type_id=line.usage_type_id,
            item_kind=line.kind,
            item_start=line.period_start,
        )
    return items[key]


def _order(one: DraftChange) -> tuple[datetime, str, str, datetime]:
    return one.period_start, one.invoice_kind, one.usage_type_id or "", one.item_start
