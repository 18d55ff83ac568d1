"""Who stands on an invoice, as a name and an address: the rules of both, and how they are kept. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from usage_billing.core.countries import is_country
from usage_billing.core.errors import InvalidInput
from usage_billing.rating.tax.categories import RULES
from usage_billing.rating.tax.ids import is_tax_id

COUNTRY_RULE = "must be the code of a country by ISO 3166: two capital letters, such as DE"
LANGUAGE_RULE = "must be a language, such as en, de or fr-CH"
IBAN_RULE = "must be an IBAN, whose check digits are right"

_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Z]{2})?")
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
_MODULUS, _RIGHT = 97, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a party is; ``country`` is its ISO 3166 code."""

    line1: str
    line2: str | None = None
    postal_code: str | None = None
    city: str
    country: str

    def __post_init__(self) -> None:
        if not is_country(self.country):
            raise ValueError(COUNTRY_RULE)

    def kept(self) -> dict[str, Any]:
        """As it is stored, by the names that it has on the wire."""
        return {
            "line1": self.line1,
            "line2": self.line2,
            "postalCode": self.postal_code,
            "city": self.city,
            "country": self.country,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Seller:
    """Who bills; ``registration`` is where and under which number it is registered.

    ``tax_mode`` is how tax is reckoned: ``none``, or by ``rules`` (``rating.tax``), which need its ``tax_id``.
    ``language`` is that of documents for customers who said none.
    """

    legal_name: str
    address: Address
    tax_id: str | None = None
    email: str | None = None
    iban: str | None = None
    registration: str | None = None
    tax_mode: str = "none"
    language: str | None = None

    def check_taxes(self) -> None:
        """Raises InvalidInput where rules reckon its tax, and its tax id is missing or none of its country."""
        if self.tax_mode != RULES:
            return
        if self.tax_id is None:
            raise InvalidInput.field("/taxId", "is required where tax is reckoned by rules", code="required")
        if not is_tax_id(self.tax_id, country=self.address.country):
            message = f"must be a tax id of {self.address.country}, whose check digits are right"
            raise InvalidInput.field("/taxId", message, code="not_a_tax_id")

    def kept(self) -> Mapping[str, Any]:
        """As it is stored and copied onto invoices, by the names that it has on the wire."""
        return {
            "legalName": self.legal_name,
            "address": self.address.kept(),
            "taxId": self.tax_id,
            "email": self.email,
            "iban": self.iban,
            "registration": self.registration,
            "taxes": {"mode": self.tax_mode},
            "language": self.language,
        }


def is_language(text: str) -> bool:
    """Whether ``text`` has the form of a language, perhaps with a country: ``de``, ``fr-CH``."""
    return _LANGUAGE.fullmatch(text) is not None


def iban_of(text: str) -> str:
    """An IBAN without its spaces; raises ValueError unless its check digits (ISO 13616) are right."""
    iban = text.replace(" ", "")
    if _IBAN.fullmatch(iban) is None:
        raise ValueError(IBAN_RULE)
    digits = "".join(str(int(letter, 36)) for letter in iban[4:] + iban[:4])
    if int(digits) % _MODULUS != _RIGHT:
        raise ValueError(IBAN_RULE)
    return iban
