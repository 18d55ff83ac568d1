"""Makes wallets."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import or_, select, text
from sqlalchemy.orm import Session

from usage_billing.audit.service import note
from usage_billing.core.decimals import MAX_QUANTITY
from usage_billing.core.errors import Conflict, InvalidInput
from usage_billing.customers.queries import get_customer
from usage_billing.flows.prepaid.counted import check_types
from usage_billing.flows.prepaid.facts import tell_wallet
from usage_billing.flows.prepaid.hours import hours_of
from usage_billing.rating.currency import is_currency
from usage_billing.subscriptions.queries import CURRENCIES, get_subscription
from usage_billing.wallets.models import Wallet, WalletScope
from usage_billing.wallets.service import add_wallet, lock_wallets, open_overdraft

_LOCK_CUSTOMER = text("SELECT FROM customers WHERE id = :id FOR NO KEY UPDATE")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWallet:
    """A wallet to be made; without a subscription it is for all of the customer's.

    It is for units of ``usage_types``, or for money in ``currency``, which pays with ``fees`` base fees too. What no
    grant pays for is ``uncovered``: a ``charge``, or what units lack is owed (``owe``) up to the ``overdraft``.
    """

    id: str
    customer_id: str
    unit_name: str | None = None
    usage_types: Sequence[str] | None = None
    currency: str | None = None
    fees: bool = False
    subscription_id: str | None = None
    uncovered: str = "charge"
    overdraft: Decimal | None = None


def create_wallet(session: Session, new: NewWallet, *, actor: str, now: datetime) -> Wallet:
    """Store ``new``.

    Raises InvalidInput unless it is for units or for money, for a customer, subscription or usage type that there is
    not, or whose unit is another one; Conflict for an id that is taken, and with the code ``overlapping_wallet`` where
    another wallet pays.
    """
    get_customer(session, new.customer_id)
    if new.subscription_id is not None:
        owner = get_subscription(session, new.subscription_id).customer_id
        if owner != new.customer_id:
            raise InvalidInput.field("/subscriptionId", "is another customer's", code="unknown_subscription")
    _check_unit(new)
    _check_overdraft(new)
    if new.currency is None:
        check_types(session, new.usage_types or (), unit_name=new.unit_name or "")
    # One wallet of a customer is made at a time. Finalizing locks wallets first, and their customer for its taxes then.
    lock_wallets(session, [new.customer_id])
    session.execute(_LOCK_CUSTOMER, {"id": new.customer_id})
    _check_overlap(session, new)
    added = add_wallet(
        session,
        {
            "id": new.id,
            "customer_id": new.customer_id,
            "subscription_id": new.subscription_id,
            "unit_name": new.unit_name,
            "currency": new.currency,
            "fees": new.fees,
            "uncovered": new.uncovered,
            "overdraft": new.overdraft,
        },
    )
    session.add_all(
        WalletScope(
            wallet_id=new.id,
            usage_type_id=name,
            customer_id=new.customer_id,
            subscription_id=new.subscription_id or "",
        )
        for name in new.usage_types or ()
    )
    session.flush()
    if new.overdraft is not None:
        open_overdraft(session, added, since=hours_of(session, added).start_of(now))
    tell_wallet(session, added, new.usage_types or ())
    note(session, actor=actor, action="wallet.created", subject=f"wallet:{new.id}", at=now, userId=new.customer_id)
    return added


def lacks_plan(session: Session, wallet: Wallet) -> bool:
    """Whether a wallet holds money in which none of its customer's plans charges."""
    if wallet.currency is None:
        return False
    return wallet.currency not in set(session.scalars(CURRENCIES, {"customer": wallet.customer_id}))


def _check_unit(new: NewWallet) -> None:
    """Either units of usage types, or a currency."""
    if new.currency is None:
        for name, given in (("unitName", new.unit_name), ("usageTypes", new.usage_types)):
            if given is None:
                message = "is required unless the wallet holds money in a currency"
                raise InvalidInput.field(f"/unit/{name}", message, code="required")
        if new.fees:
            raise InvalidInput.field("/fees", "are paid by money, and this wallet holds units", code="contradiction")
        return
    if new.unit_name is not None or new.usage_types is not None:
        raise InvalidInput.field("/unit", "is either units of usage types or a currency", code="contradiction")
    if not is_currency(new.currency):
        message = "must be an ISO 4217 currency code such as USD"
        raise InvalidInput.field("/unit/currency", message, code="unknown_currency")


def _check_overdraft(new: NewWallet) -> None:
    """One that owes says how much at most."""
    if new.uncovered not in ("charge", "owe"):
        raise InvalidInput.field("/uncovered", "must be charge or owe", code="not_a_choice")
    if new.uncovered == "owe" and new.currency is not None:
        pointer = "/uncovered" if new.overdraft is None else "/overdraft"
        message = "is for wallets in units: what money does not pay is on the invoice"
        raise InvalidInput.field(pointer, message, code="contradiction")
    if new.uncovered == "owe" and new.overdraft is None:
        raise InvalidInput.field("/overdraft", "is required of a wallet that owes", code="required")
    if new.overdraft is None:
        return
    if new.uncovered != "owe":
        message = "is of a wallet that owes, and this one lets charge what no grant pays for"
        raise InvalidInput.field("/overdraft", message, code="contradiction")
    if not 0 < new.overdraft <= MAX_QUANTITY:
        message = f"must be more than 0 and at most {MAX_QUANTITY:f}"
        raise InvalidInput.field("/overdraft", message, code="out_of_range")


def _check_overlap(session: Session, new: NewWallet) -> None:
    """A subscription's own wallet comes before that for all, so what that paid for it would lose its wallet."""
    statement = select(WalletScope).where(
        WalletScope.customer_id == new.customer_id,
        WalletScope.usage_type_id.in_(new.usage_types or ()),
        WalletScope.subscription_id.in_({"", new.subscription_id or ""}),
    )
    if new.currency is not None:
        beside = select(Wallet).where(
            Wallet.customer_id == new.customer_id,
            Wallet.currency == new.currency,
            or_(Wallet.subscription_id.is_(None), Wallet.subscription_id == new.subscription_id),
        )
        there = session.scalars(beside.order_by(Wallet.id)).first()
        if there is not None:
            raise Conflict(f"wallet {there.id} pays in {new.currency} already", code="overlapping_wallet")
    found = session.scalars(statement.order_by(WalletScope.wallet_id)).first()
    if found is not None:
        raise Conflict(f"wallet {found.wallet_id} pays for {found.usage_type_id} already", code="overlapping_wallet")
