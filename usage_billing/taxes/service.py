"""Says tax rates."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal

from sqlalchemy.orm import Session

from usage_billing.taxes.models import TaxRate
from usage_billing.taxes.queries import rates_where

MAX_RATE_PLACES = 6
"""Decimal places kept of a rate in per cent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTaxRate:
    """What a caller gives of a rate, in per cent; ``effective_from`` is the first day on which it holds."""

    country: str
    category: str
    rate: Decimal
    effective_from: date


def add_rates(session: Session, rates: Sequence[NewTaxRate]) -> list[TaxRate]:
    """Say these rates; returns those that are new. What is said already as it is stays as it is."""
    countries = {rate.country for rate in rates}
    held = {
        (one.country, one.category, one.effective_from): one.rate
        for one in session.scalars(rates_where().where(TaxRate.country.in_(countries)))
    }
    added: list[TaxRate] = []
    for rate in rates:
        key = (rate.country, rate.category, rate.effective_from)
        if held.get(key) != rate.rate:
            held[key] = rate.rate
            added.append(TaxRate(**asdict(rate)))
    session.add_all(added)
    session.flush()
    for one in added:
        session.refresh(one)
    return added


def held_rate(session: Session, rate: NewTaxRate) -> TaxRate:
    """The stored rate for the country, category and day of ``rate``, which was said."""
    statement = rates_where(country=rate.country, category=rate.category)
    return session.scalars(statement.where(TaxRate.effective_from == rate.effective_from)).one()
