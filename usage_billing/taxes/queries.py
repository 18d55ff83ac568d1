"""Reading tax rates."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sqlalchemy import Select, exists, select
from sqlalchemy.orm import Session, aliased

from usage_billing.db.filters import equal
from usage_billing.taxes.models import TaxRate


@dataclass(frozen=True, slots=True)
class RateBook:
    """The rates of some countries, by (country, category), each from its day on; the last that holds is the last."""

    rates: Mapping[tuple[str, str], Sequence[tuple[date, Decimal]]]

    def rate_on(self, day: date, *, country: str, category: str) -> Decimal | None:
        """The rate in per cent that holds on ``day``; None where none was said."""
        begun = [rate for since, rate in self.rates.get((country, category), ()) if since <= day]
        return begun[-1] if begun else None


def read_rates(session: Session, countries: Collection[str]) -> RateBook:
    """The rates of these countries."""
    statement = select(TaxRate.country, TaxRate.category, TaxRate.effective_from, TaxRate.rate)
    found: dict[tuple[str, str], list[tuple[date, Decimal]]] = {}
    for row in session.execute(
        statement.where(TaxRate.country.in_(countries)).order_by(TaxRate.effective_from, TaxRate.id)
    ):
        found.setdefault((row.country, row.category), []).append((row.effective_from, row.rate))
    return RateBook(found)


def rates_where(*, country: str | None = None, category: str | None = None) -> Select[TaxRate]:
    """The statement for a list of rates: for each country, category and day the one that was said last."""
    later = aliased(TaxRate)
    replaced = exists().where(
        later.country == TaxRate.country,
        later.category == TaxRate.category,
        later.effective_from == TaxRate.effective_from,
        later.id > TaxRate.id,
    )
    asked = {TaxRate.country: country, TaxRate.category: category}
    return equal(select(TaxRate), asked).where(~replaced)
