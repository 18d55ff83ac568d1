"""Types of arguments that say who is billed and who bills: countries, languages, tax ids, accounts."""

from usage_billing.cli.frame.kind import Kind
from usage_billing.cli.frame.types import NameType
from usage_billing.core.countries import is_country
from usage_billing.core.limits import (
    MAX_BUYER_REFERENCE,
    MAX_CITY,
    MAX_IBAN,
    MAX_LEGAL_NAME,
    MAX_POSTAL_CODE,
    MAX_TAX_ID,
)
from usage_billing.customers.parties import COUNTRY_RULE, LANGUAGE_RULE, iban_of, is_language
from usage_billing.rating.tax.categories import TaxCategory


class CountryType(Kind):
    """The ISO 3166 code of a country."""

    name = "country"

    def read(self, text: str) -> str:
        """The text itself."""
        if not is_country(text):
            raise ValueError(COUNTRY_RULE)
        return text


class LanguageType(Kind):
    """A language, perhaps of a country."""

    name = "language"

    def read(self, text: str) -> str:
        """The text itself."""
        if not is_language(text):
            raise ValueError(LANGUAGE_RULE)
        return text


class TaxCategoryType(Kind):
    """A category of tax."""

    name = "category"

    def __init__(self, *categories: str) -> None:
        self._categories = categories

    def read(self, text: str) -> str:
        """The text itself."""
        if text not in self._categories:
            raise ValueError(f"is none of: {', '.join(self._categories)}")
        return text


class IbanType(NameType):
    """An account."""

    name = "iban"

    def read(self, text: str) -> str:
        """The IBAN without its spaces."""
        return iban_of(super().read(text))


LEGAL_NAME = NameType(MAX_LEGAL_NAME)
ADDRESS_LINE = NameType()
POSTAL_CODE = NameType(MAX_POSTAL_CODE)
CITY = NameType(MAX_CITY)
COUNTRY = CountryType()
TAX_ID = NameType(MAX_TAX_ID)
TAX_CATEGORY = TaxCategoryType(*TaxCategory)
LANGUAGE = LanguageType()
BUYER_REFERENCE = NameType(MAX_BUYER_REFERENCE)
IBAN = IbanType(MAX_IBAN)
