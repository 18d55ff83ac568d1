"""What is due for purchases: one row for each that is charged here, no matter on which invoice."""

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import text, update
from sqlalchemy.orm import Session

from usage_billing.core.decimals import EXACT
from usage_billing.db.rows import read_rows
from usage_billing.packages.models import PurchaseCharge

_DUE = """
    SELECT id, subscription_id, package_name, count AS times, sold_at, amount
    FROM purchase_charges
    WHERE to_charge AND subscription_id = ANY(CAST(:subscriptions AS text[]))
"""
_IN_ORDER = "ORDER BY subscription_id, id"
_READ = text(f"{_DUE} {_IN_ORDER}")
_LOCK = text(f"{_DUE} AND sold_at <= :as_of {_IN_ORDER} FOR UPDATE")


class DuePurchase(NamedTuple):
    """A purchase whose present amount billing has not charged yet."""

    id: int
    subscription_id: str
    package_name: str
    times: int
    sold_at: datetime
    amount: Decimal


def add_charge(session: Session, charge: PurchaseCharge) -> PurchaseCharge:
    """Store what is due for a purchase."""
    session.add(charge)
    session.flush()
    return charge


def lower_charge(session: Session, charge_id: int, *, by: Decimal) -> None:
    """Let less be due for a purchase that a subscription's invoices charge; of another one nothing changes."""
    charge = session.get(PurchaseCharge, charge_id, with_for_update=True, populate_existing=True)
    if charge is not None and charge.subscription_id is not None and by:
        charge.amount, charge.to_charge = EXACT.subtract(charge.amount, by), True
        session.flush()


def lock_purchases(session: Session, subscription_ids: Collection[str], *, as_of: datetime) -> list[DuePurchase]:
    """Lock and return the purchases to charge of these locked subscriptions that were made by ``as_of``."""
    return read_rows(session.execute(_LOCK, {"subscriptions": list(subscription_ids), "as_of": as_of}), DuePurchase)


def read_purchases(session: Session, subscription_ids: Collection[str]) -> list[DuePurchase]:
    """The purchases to charge of these subscriptions, whenever they are made, without locks."""
    return read_rows(session.execute(_READ, {"subscriptions": list(subscription_ids)}), DuePurchase)


def settle_purchases(session: Session, purchases: Sequence[DuePurchase]) -> None:
    """Note that billing has charged these purchases as they are."""
    ids = [one.id for one in purchases]
    if ids:
        session.execute(update(PurchaseCharge).where(PurchaseCharge.id.in_(ids)).values(to_charge=False))


def charge_purchases_again(session: Session, charge_ids: Sequence[int]) -> None:
    """Let billing look at these purchases again, as far as a subscription's invoices charge them."""
    if charge_ids:
        again = update(PurchaseCharge).where(PurchaseCharge.id.in_(charge_ids))
        session.execute(again.where(PurchaseCharge.subscription_id.is_not(None)).values(to_charge=True))
