"""Which grants pay for what an item charges: units of windows of its usage, and money of what is charged."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.clock import utc_now
from usage_billing.drawing.applied import paid_with
from usage_billing.drawing.books import all_allocations
from usage_billing.drawing.shown import plan_shown
from usage_billing.invoicing.models import Invoice, PrepaidPart, UsageInvoiceItem
from usage_billing.prepaid.burn_down import Cause
from usage_billing.wallets.queries import wallets_of

# As it was when the invoice became final: what was posted until then, or of what the item knows.
_POSTED = text("""
    SELECT t.wallet_id, CASE WHEN 'owed' IN (t.debit, t.credit) THEN NULL ELSE t.grant_id END AS grant_id,
        t.window_start,
        sum(CASE t.kind WHEN 'used' THEN t.amount ELSE -t.amount END) AS units
    FROM wallet_transfers AS t JOIN wallets AS w ON w.id = t.wallet_id
    WHERE t.summary_id = :summary AND w.currency IS NULL AND (
        t.id <= (SELECT max(id) FROM wallet_transfers WHERE invoice_id = :invoice AND kind = 'used')
        OR NOT :is_void AND t.events <= :events AND t.voids <= :voids)
    GROUP BY 1, 2, 3
    HAVING sum(CASE t.kind WHEN 'used' THEN t.amount ELSE -t.amount END) <> 0
    ORDER BY 3, min(t.id)
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class CoveredWindow:
    """What a grant in units pays for, in ``quantity`` units, of a window of usage that begins at ``window_start``.

    Without a grant it is owed.
    """

    wallet_id: str
    grant_id: UUID | None
    window_start: datetime
    quantity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidBeforehand:
    """The grants behind an item: those in units pay for what was ``covered``, those in money of the charge.

    Of a draft it is as of this moment. ``money`` is of this invoice, below 0 where it gives back.
    """

    covered: list[CoveredWindow]
    money: list[PrepaidPart]


def paid_beforehand(session: Session, invoice: Invoice, item: UsageInvoiceItem) -> PaidBeforehand:
    """Which grants pay for an item."""
    cause = Cause(item.summary_id or 0, item.fee_id or 0)
    wallets = wallets_of(session, [invoice.customer_id])
    if not wallets or not any(cause):
        return PaidBeforehand(covered=[], money=[])
    if invoice.number is not None:
        asked = {"summary": item.summary_id, "invoice": invoice.id, "is_void": invoice.status == "void"}
        rows = session.execute(_POSTED, asked | {"events": item.events, "voids": item.voids})
        covered = [_window(row.wallet_id, row.grant_id, row.window_start, row.units) for row in rows]
        wallet_of = dict(_grants(session, invoice))
        paid = paid_with(session, invoice.id).items()
        money = [PrepaidPart(wallet_of[id], id, amount) for (of, id), amount in paid if of == cause]
        return PaidBeforehand(covered=covered, money=money)
    found = all_allocations(session, [invoice.customer_id], now=utc_now(), wallets=wallets)
    covered = [
        _window(book.wallet.id, book.grant_named(key.grant_id), key.need.window_start, quantity)
        for book in found
        for key, quantity in sorted(book.draws.items(), key=lambda one: one[0].need.window_start)
        if book.wallet.currency is None and key.need.cause == cause
    ]
    lines = plan_shown(session, found, [invoice]).get(invoice.id, ())
    money = [PrepaidPart(line.wallet_id, line.grant_id, line.amount) for line in lines if line.of.cause == cause]
    return PaidBeforehand(covered=covered, money=money)


def _window(wallet_id: str, grant_id: UUID | None, window_start: datetime, quantity: Decimal) -> CoveredWindow:
    return CoveredWindow(wallet_id=wallet_id, grant_id=grant_id, window_start=window_start, quantity=quantity)


def _grants(session: Session, invoice: Invoice) -> Iterable[tuple[UUID, str]]:
    rows = session.execute(
        text("SELECT DISTINCT grant_id, wallet_id FROM invoice_prepaid WHERE invoice_id = :id"), {"id": invoice.id}
    )
    return [(row.grant_id, row.wallet_id) for row in rows]
