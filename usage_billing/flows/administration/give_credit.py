"""Gives a customer credit by hand, beside what negative invoices grant; the next invoices use it."""

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy.orm import Session

from usage_billing.audit.service import note
from usage_billing.balances.service import NewCredit, give, lock_balances
from usage_billing.core.decimals import MAX_QUANTITY
from usage_billing.core.errors import InvalidInput
from usage_billing.core.money import money_text, round_to_minor_unit
from usage_billing.customers.queries import get_customer
from usage_billing.rating.currency import is_currency, minor_unit


class GivenCredit(NamedTuple):
    """The number of the entry, and what the customer has in hand now; ``is_new`` is False for a repeated key."""

    id: int
    currency: str
    balance: Decimal
    is_new: bool


def give_credit(session: Session, customer_id: str, new: NewCredit, *, actor: str, now: datetime) -> GivenCredit:
    """Add to a customer's balance.

    Raises NotFound; InvalidInput for what is no amount of the currency; Conflict with the code ``conflicting_credit``.
    """
    _check(new)
    get_customer(session, customer_id)
    holder = (customer_id, new.currency)
    balance = lock_balances(session, [holder])[holder]
    entry, is_new = give(session, balance, new)
    if is_new:
        note(
            session,
            actor=actor,
            action="credit.given",
            subject=f"customer:{customer_id}",
            at=now,
            entry=entry.id,
            amount=money_text(new.amount, minor_unit(new.currency)),
            currency=new.currency,
            reason=new.reason,
        )
    return GivenCredit(entry.id, new.currency, balance.balance, is_new)


def _check(new: NewCredit) -> None:
    if not is_currency(new.currency):
        raise InvalidInput.field("/currency", "must be an ISO 4217 currency code such as USD", code="unknown_currency")
    if not 0 < new.amount <= MAX_QUANTITY:
        raise InvalidInput.field("/amount", f"must be more than 0 and at most {MAX_QUANTITY:f}", code="out_of_range")
    places = minor_unit(new.currency)
    if round_to_minor_unit(new.amount, places) != new.amount:
        message = f"must have at most {places} decimal places in {new.currency}"
        raise InvalidInput.field("/amount", message, code="not_a_decimal")
