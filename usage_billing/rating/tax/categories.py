"""Which tax holds between a seller and a buyer: its category and the country whose rate it has. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from usage_billing.rating.tax.ids import is_tax_id

RULES = "rules"
MODES = ("none", RULES)
"""How a seller has tax reckoned: not at all, or by these rules."""

_EU = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"
EU = frozenset(_EU.split())
"""The members of the European Union by ISO 3166."""


class TaxCategory(StrEnum):
    """The categories of EN 16931, and ``AA`` of the list they are from for a lower rate, which invoices call ``S``."""

    STANDARD = "S"
    LOWER = "AA"
    ZERO = "Z"
    EXEMPT = "E"
    REVERSE = "AE"
    EXPORT = "G"
    OUTSIDE = "O"


RATED = (TaxCategory.STANDARD, TaxCategory.LOWER)
"""Those with rates; the rate of the others is 0."""


class TaxUnknown(Exception):
    """The rules cannot tell the tax; the message says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxedParty:
    """What the rules ask of a seller or a buyer; ``country`` is its ISO 3166 code, None where it is not known."""

    country: str | None
    tax_id: str | None = None
    exempt: bool = False


@dataclass(frozen=True, slots=True)
class Treatment:
    """A category, and the country whose rate of it holds; None where the rate is 0 everywhere."""

    category: TaxCategory
    country: str | None = None


def treat(category: TaxCategory, *, seller: TaxedParty, buyer: TaxedParty) -> Treatment:
    """How a sale of ``category`` is taxed.

    Where both are in one country its rate holds. A buyer in another country of the EU pays the rate of its own
    country, or with a tax id owes the tax itself. What goes to other countries is not taxed. Raises TaxUnknown.
    """
    if category not in RATED:
        return Treatment(category)
    if buyer.exempt:
        return Treatment(TaxCategory.EXEMPT)
    if buyer.country is None:
        raise TaxUnknown("the customer has no address, so its country is not known")
    if buyer.country == seller.country:
        return Treatment(category, buyer.country)
    if buyer.country not in EU:
        return Treatment(TaxCategory.EXPORT)
    if buyer.tax_id is None:
        return Treatment(category, buyer.country)
    if not is_tax_id(buyer.tax_id, country=buyer.country):
        raise TaxUnknown(f"the customer's tax id is none of {buyer.country}: its form or its check digits are wrong")
    return Treatment(TaxCategory.REVERSE)
