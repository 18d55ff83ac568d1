"""What an admin does to a single invoice: finalize it before its time, mark it as paid, void it, or give it up."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.audit.service import note
from usage_billing.balances.service import lock_balances, undo
from usage_billing.core.clock import instant_text
from usage_billing.core.errors import Conflict, InvalidInput, NotFound
from usage_billing.core.money import money_text
from usage_billing.db import clock
from usage_billing.drawing.applied import paid_with
from usage_billing.drawing.books import all_allocations
from usage_billing.drawing.planning import in_money, plan_stored
from usage_billing.flows.billing.facts import tell_invoice
from usage_billing.flows.billing.finalize_invoices import (
    METER_BEHIND,
    TAX_PENDING,
    behind_words,
    finalize_drafts,
    post_draws,
)
from usage_billing.flows.billing.invoice_subscriptions import invoice_subscriptions
from usage_billing.flows.billing.slots import ADJUSTMENT_SPAN
from usage_billing.flows.folding.fold_meters import left_behind
from usage_billing.flows.prepaid.open_occurrences import hold_wallets
from usage_billing.flows.prepaid.post_draws import unpost_money, unpost_summaries
from usage_billing.invoicing.fees import charge_fees_again
from usage_billing.invoicing.lifecycle import InvoiceKind, InvoiceStatus, check_step
from usage_billing.invoicing.models import Invoice
from usage_billing.invoicing.queries import get_invoice, items_of
from usage_billing.invoicing.taxing import tax_stored
from usage_billing.metering.settling import reopen
from usage_billing.packages.charges import charge_purchases_again
from usage_billing.rating.currency import minor_unit
from usage_billing.subscriptions.service import lock_subscription
from usage_billing.wallets.models import Wallet
from usage_billing.wire.event_type import EventType

_STANDING_GRANT = text("""
    SELECT
    FROM usage_invoice_items AS t
    JOIN purchases AS p ON p.charge_id = t.purchase_id
    JOIN wallet_grants AS g ON g.id = p.grant_id
    WHERE t.invoice_id = :invoice AND (g.status <> 'void' OR g.refunded > 0)
    LIMIT 1
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """What is said of a payment: ``amount`` in the invoice's currency, all that is due if not given; when (now if not
    given); ``reference``, which names it; ``method``, such as "bank transfer"."""

    amount: Decimal | None = None
    paid_at: datetime | None = None
    reference: str | None = None
    method: str | None = None


def finalize_invoice(
    session: Session, invoice_id: UUID, *, actor: str, now: datetime, adjust_within: timedelta = ADJUSTMENT_SPAN
) -> Invoice:
    """Make a draft final that is due, without waiting for the grace time.

    Raises NotFound; Conflict when the invoice is no draft, its period is not over, nothing on it is due any more, its
    tax is not known, or a meter has too much to count; Unavailable when ``now``, by this machine's clock, is too far
    from the database's.
    """
    now = clock.agreed_now(session, now)
    wallets: Sequence[Wallet] = _lock_wallets(session, invoice_id, now=now)
    invoice = _lock(session, invoice_id)
    check_step(invoice.status, InvoiceStatus.FINALIZED)
    if invoice.closes_at > now:
        raise Conflict("the period of the invoice is not over yet", code="period_open")
    if invoice.subscription_id is not None:
        invoice_subscriptions(session, [invoice.subscription_id], as_of=now, adjust_within=adjust_within)
        for behind in left_behind(session, [invoice.subscription_id]).values():
            raise Conflict(behind_words(behind), code=METER_BEHIND)
    try:
        invoice = get_invoice(session, invoice_id, lock=True)
    except NotFound:
        raise _nothing_due() from None
    if not any(item.amount for item in items_of(session, invoice_id)):
        raise _nothing_due()
    found = all_allocations(session, [invoice.customer_id], now=now, wallets=wallets) if wallets else []
    prepaid = plan_stored(session, found, [invoice], ended_before=invoice.closes_at)
    taxations = tax_stored(session, [invoice], prepaid=prepaid.lines, lock=True)
    taxation = taxations.of(invoice_id)
    if taxation is not None and taxation.pending is not None:
        raise Conflict(f"the tax of the invoice is not known: {taxation.pending}", code=TAX_PENDING)
    if found:
        post_draws(session, found, [invoice], prepaid)
    finalize_drafts(session, [invoice], taxations, prepaid, now=now, actor=actor)
    session.refresh(invoice)
    return invoice


def pay_invoice(
    session: Session, invoice_id: UUID, *, actor: str, now: datetime, payment: Payment = Payment()
) -> Invoice:
    """Note that an invoice was paid, whole.

    Raises NotFound; Conflict unless it is finalized or uncollectible, where what was bought on it is taken back, and
    for an amount that is not what is due;
    InvalidInput for a payment of the future, or from before the period that the invoice charges for.
    """
    invoice = _lock(session, invoice_id)
    check_step(invoice.status, InvoiceStatus.PAID)
    _check_owed(invoice)
    if invoice.kind == InvoiceKind.PURCHASE and not _stands(session, invoice_id):
        raise Conflict("the grant of the purchase is void: declare the invoice void", code="nothing_due")
    due = invoice.amount_due
    if payment.amount is not None and payment.amount != due:
        shown = money_text(due, minor_unit(invoice.currency))
        raise Conflict(f"{shown} {invoice.currency} is due, and is paid whole or not at all", code="amount_differs")
    if payment.paid_at is not None and payment.paid_at > now:
        raise InvalidInput.field("/paidAt", "must not be in the future", code="out_of_range")
    if payment.paid_at is not None and payment.paid_at < invoice.period_start:
        start = instant_text(invoice.period_start)
        raise InvalidInput.field("/paidAt", f"must not be before {start}, when its period began", code="out_of_range")
    invoice.status, invoice.paid_at = InvoiceStatus.PAID, payment.paid_at or now
    invoice.payment_reference, invoice.payment_method = payment.reference, payment.method
    return _noted(session, invoice, EventType.INVOICE_PAID, actor, now)


def give_up_invoice(session: Session, invoice_id: UUID, *, actor: str, now: datetime) -> Invoice:
    """Note that an invoice will not be paid (uncollectible).

    Raises NotFound; Conflict unless it is finalized, and where nothing is owed on it.
    """
    invoice = _lock(session, invoice_id)
    check_step(invoice.status, InvoiceStatus.UNCOLLECTIBLE)
    _check_owed(invoice)
    invoice.status = InvoiceStatus.UNCOLLECTIBLE
    return _noted(session, invoice, EventType.INVOICE_UNCOLLECTIBLE, actor, now)


def void_invoice(session: Session, invoice_id: UUID, *, actor: str, now: datetime) -> Invoice:
    """Void a finalized invoice: its credit is undone, and the next run charges anew what the invoice charged.

    Raises NotFound, and Conflict when it is a draft, paid or void, or when credit that it granted is spent.
    """
    wallets = _lock_wallets(session, invoice_id, now=now)
    invoice = _lock(session, invoice_id)
    if (
        invoice.status != InvoiceStatus.PAID or invoice.credit_applied != invoice.payable
    ):  # else credit paid it, and comes back
        check_step(invoice.status, InvoiceStatus.VOID)
    items = items_of(session, invoice_id)
    if invoice.kind == InvoiceKind.PURCHASE:
        _check_taken_back(session, invoice_id)
    charged = {item.summary_id for item in items if item.summary_id is not None}
    reopen(session, sorted(charged))
    if wallets:
        found = all_allocations(session, [invoice.customer_id], now=now, wallets=wallets)
        units = [book for book in found if book.wallet.currency is None]
        unpost_summaries(session, units, charged, invoice_id=invoice_id)
        unpost_money(session, in_money(found), paid_with(session, invoice_id), invoice_id=invoice_id)
    charge_fees_again(session, [item.fee_id for item in items if item.fee_id is not None])
    charge_purchases_again(session, [item.purchase_id for item in items if item.purchase_id is not None])
    invoice.status, invoice.voided_at = InvoiceStatus.VOID, now
    session.flush()
    balance = lock_balances(session, [(invoice.customer_id, invoice.currency)])[invoice.customer_id, invoice.currency]
    undo(session, balance, invoice_id=invoice_id)
    return _noted(session, invoice, EventType.INVOICE_VOIDED, actor, now)


def _check_taken_back(session: Session, invoice_id: UUID) -> None:
    """What was bought on an invoice of its own is charged by no other: its grant goes before the invoice does."""
    if _stands(session, invoice_id):
        raise Conflict("void the grant of the purchase first", code="purchase_stands")


def _stands(session: Session, invoice_id: UUID) -> bool:
    return session.execute(_STANDING_GRANT, {"invoice": invoice_id}).first() is not None


def _check_owed(invoice: Invoice) -> None:
    if invoice.amount_due <= 0:
        raise Conflict("nothing is owed on the invoice", code="nothing_due")


def _nothing_due() -> Conflict:
    return Conflict("nothing on the invoice is due any more; the next run takes it away", code="nothing_due")


def _lock_wallets(session: Session, invoice_id: UUID, *, now: datetime) -> Sequence[Wallet]:
    """Lock the subscription of an invoice and then its customer's wallets, as billing does; raises NotFound."""
    found = get_invoice(session, invoice_id)
    if found.subscription_id is not None:
        lock_subscription(session, found.subscription_id)
    return hold_wallets(session, [found.customer_id], now=now)


def _lock(session: Session, invoice_id: UUID) -> Invoice:
    """Lock the invoice's subscription, then the invoice, as billing does; raises NotFound."""
    found = get_invoice(session, invoice_id)
    if found.subscription_id is not None:
        lock_subscription(session, found.subscription_id)
    return get_invoice(session, invoice_id, lock=True)


def _noted(session: Session, invoice: Invoice, action: EventType, actor: str, now: datetime) -> Invoice:
    session.flush()
    note(session, actor=actor, action=action, subject=f"invoice:{invoice.id}", at=now)
    tell_invoice(session, action, invoice)
    return invoice
