"""How the parties of an invoice look: customers, who pay, and the seller. Pure."""

from usage_billing.core.limits import (
    MAX_BUYER_REFERENCE,
    MAX_CITY,
    MAX_IBAN,
    MAX_LANGUAGE,
    MAX_LEGAL_NAME,
    MAX_POSTAL_CODE,
    MAX_TAX_ID,
)
from usage_billing.wire.kinds import Email, Flag, Identifier, Instant, Text
from usage_billing.wire.noun import Field, Noun, One
from usage_billing.wire.tax import SELLER_TAXES

ADDRESS = Noun(
    "Address",
    "Where a party is.",
    (
        Field("line1", Text(), "The first line, such as street and number."),
        Field("line2", Text(), "The second line; null without one.", nullable=True),
        Field(
            "postalCode",
            Text(maximum=MAX_POSTAL_CODE),
            "The postal code; null without one.",
            nullable=True,
            attribute="postalCode",
        ),
        Field("city", Text(maximum=MAX_CITY), "The city."),
        Field("country", Text(minimum=2, maximum=2), "The country's ISO 3166 code, such as `DE`."),
    ),
)
_LEGAL_NAME = Text(maximum=MAX_LEGAL_NAME)
_TAX_ID = Text(maximum=MAX_TAX_ID)
_REFERENCE = Text(maximum=MAX_BUYER_REFERENCE)

CUSTOMER = Noun(
    "Customer",
    "A customer: who pays.",
    (
        Field("id", Identifier(), "The name that the caller gave it; the `userId` of recordings."),
        Field("name", Text(), "What people call it."),
        Field("email", Email(), "Where its invoices go; null when none is known.", nullable=True),
        Field("legalName", _LEGAL_NAME, "Its name as it stands on invoices; null: `name` does.", nullable=True),
        Field("address", One(ADDRESS), "Where it is; null when not known.", nullable=True),
        Field("taxId", _TAX_ID, "Its tax id as it spells it; null when none is known.", nullable=True),
        Field("language", Text(maximum=MAX_LANGUAGE), "Its language, such as `de`; null: none said.", nullable=True),
        Field("buyerReference", _REFERENCE, "What it wants to find on its invoices; null: nothing.", nullable=True),
        Field("createdAt", Instant(), "When it was made."),
        Field("taxExempt", Flag(), "Whether it is exempt from tax."),
    ),
)

BUYER = Noun(
    "Buyer",
    "A customer as it was when its invoice became final.",
    (
        Field("userId", Identifier(), "The customer.", attribute="userId"),
        Field("name", Text(), "What people called it."),
        Field("legalName", _LEGAL_NAME, "Its name on invoices; null: `name`.", nullable=True, attribute="legalName"),
        Field("address", One(ADDRESS), "Where it was; null when not known.", nullable=True),
        Field("taxId", _TAX_ID, "Its tax id; null when none was known.", nullable=True, attribute="taxId"),
        Field("email", Email(), "Where its invoices went; null when none was known.", nullable=True),
        Field("language", Text(maximum=MAX_LANGUAGE), "Its language; null: none said.", nullable=True),
        Field(
            "buyerReference",
            _REFERENCE,
            "What it wanted to find on its invoices; null: nothing.",
            nullable=True,
            attribute="buyerReference",
        ),
        Field(
            "taxExempt",
            Flag(),
            "That it was exempt from tax; left out otherwise.",
            optional=True,
            attribute="taxExempt",
        ),
    ),
)
_SELLER_FIELDS = (
    ("legalName", _LEGAL_NAME, "Its name on invoices.", False),
    ("address", One(ADDRESS), "Where it is.", False),
    ("taxId", _TAX_ID, "Its tax id; null when not said.", True),
    ("email", Email(), "Where to reach it; null when not said.", True),
    ("iban", Text(maximum=MAX_IBAN), "The account to pay to; null when not said.", True),
    ("registration", Text(), "Where and as what it is registered; null when not said.", True),
)
INVOICE_SELLER = Noun(
    "InvoiceSeller",
    "Who bills, as it was said when the invoice became final.",
    (
        *(Field(name, kind, says, nullable=none, attribute=name) for name, kind, says, none in _SELLER_FIELDS),
        Field(
            "language",
            Text(maximum=MAX_LANGUAGE),
            "The language of documents for customers who said none; left out where none was said.",
            optional=True,
            attribute="language",
        ),
    ),
)
SELLER = Noun(
    "Seller",
    "Who bills.",
    (
        *(
            Field(name, kind, says, nullable=none, attribute=f"said.{name}")
            for name, kind, says, none in _SELLER_FIELDS
        ),
        Field(
            "saidAt",
            Instant(),
            "When it was said; on invoices that became final since.",
            attribute="created_at",
        ),
        Field("taxes", One(SELLER_TAXES), "How tax is reckoned.", attribute="taxes"),
        Field(
            "language",
            Text(maximum=MAX_LANGUAGE),
            "The language of documents for customers who said none; null: English.",
            nullable=True,
            attribute="language",
        ),
    ),
)
