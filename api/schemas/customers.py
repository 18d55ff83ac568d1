"""Customers and their subscriptions on the wire."""

from typing import Any

import marshmallow as ma

from api.schemas.base import NOT_NULL, REQUIRED, ChangesSchema, CodedText, Schema, ValueSchema
from api.schemas.catalog import OwnQuotaSchema
from api.schemas.fields import (
    Amount,
    Choice,
    Country,
    CurrencyCode,
    Email,
    Flag,
    Iban,
    Identifier,
    Instant,
    Key,
    Language,
    NewIdentifier,
    Text,
    Whole,
)
from api.schemas.moments import Moment
from api.schemas.paging import PagedSpanQuery
from api.schemas.rehearsals import RehearsableSchema
from usage_billing.balances.service import NewCredit
from usage_billing.catalog.fees import FeeTiming
from usage_billing.catalog.own_terms import NOTHING_ENDS
from usage_billing.core.choices import Own
from usage_billing.core.decimals import MAX_PRICE
from usage_billing.core.limits import (
    LONGEST_MONTH,
    MAX_BUYER_REFERENCE,
    MAX_CITY,
    MAX_LEGAL_NAME,
    MAX_POSTAL_CODE,
    MAX_TAX_ID,
)
from usage_billing.customers.parties import Address, Seller
from usage_billing.customers.service import CustomerChanges, NewCustomer
from usage_billing.flows.administration.change_subscription import own_ends
from usage_billing.flows.administration.decide import AskedChange, AskedSpan
from usage_billing.flows.administration.situation import When
from usage_billing.rating.tax.categories import MODES
from usage_billing.subscriptions.anchors import Anchor
from usage_billing.subscriptions.moments import LATER_USAGE, NOW, REFUSE, VOID
from usage_billing.subscriptions.service import NewSubscription
from usage_billing.subscriptions.states import STATUSES

_NEEDED: Any = {"required": REQUIRED, "null": NOT_NULL}


class NewAddressSchema(ValueSchema):
    """Where a party is."""

    builds = Address

    line1 = Text(required=True)
    line2 = Text(allow_none=True, load_default=None)
    postal_code = Text(maximum=MAX_POSTAL_CODE, allow_none=True, load_default=None)
    city = Text(maximum=MAX_CITY, required=True)
    country = Country(required=True)


class NewSellerTaxesSchema(Schema):
    """How tax is reckoned: ``none``, or by ``rules``, which need the seller's ``taxId``."""

    mode = Choice(*MODES, load_default=MODES[0])


_TAX_ID: Any = {"description": "Required where taxes are reckoned by rules, and one of the address's country then."}


class NewSellerSchema(ValueSchema):
    """Who bills, as a whole: what it does not give the seller does not have."""

    builds = Seller

    legal_name = Text(maximum=MAX_LEGAL_NAME, required=True)
    address = ma.fields.Nested(NewAddressSchema, required=True, error_messages=_NEEDED)
    tax_id = Text(maximum=MAX_TAX_ID, allow_none=True, load_default=None, metadata=_TAX_ID)
    email = Email(allow_none=True, load_default=None)
    iban = Iban(allow_none=True, load_default=None)
    registration = Text(allow_none=True, load_default=None)
    language = Language(allow_none=True, load_default=None)
    taxes = ma.fields.Nested(NewSellerTaxesSchema, load_default=dict, error_messages=_NEEDED)

    def arguments(self, data: dict[str, Any]) -> dict[str, Any]:
        """In the words of the domain."""
        mode = data.pop("taxes").get("mode", MODES[0])
        return {**data, "tax_mode": mode}


class NewCustomerSchema(ValueSchema):
    """A customer as it is created; ``id`` is the ``userId`` of recordings."""

    builds = NewCustomer

    id = NewIdentifier(required=True)
    name = Text(required=True)
    email = Email(allow_none=True, load_default=None)
    legal_name = Text(maximum=MAX_LEGAL_NAME, allow_none=True, load_default=None)
    address = ma.fields.Nested(NewAddressSchema, allow_none=True, load_default=None)
    tax_id = Text(maximum=MAX_TAX_ID, allow_none=True, load_default=None)
    language = Language(allow_none=True, load_default=None)
    buyer_reference = Text(maximum=MAX_BUYER_REFERENCE, allow_none=True, load_default=None)
    tax_exempt = Flag(load_default=False)


class CustomerChangesSchema(ChangesSchema):
    """What may change of a customer. An address is replaced as a whole."""

    builds = CustomerChanges

    name = Text()
    email = Email(allow_none=True)
    legal_name = Text(maximum=MAX_LEGAL_NAME, allow_none=True)
    address = ma.fields.Nested(NewAddressSchema, allow_none=True)
    tax_id = Text(maximum=MAX_TAX_ID, allow_none=True)
    language = Language(allow_none=True)
    buyer_reference = Text(maximum=MAX_BUYER_REFERENCE, allow_none=True)
    tax_exempt = Flag()


class NewCreditSchema(ValueSchema):
    """Credit to be given by hand: at most the decimal places of the currency, and a reason that the audit log keeps."""

    builds = NewCredit

    amount = Amount(positive=True, required=True)
    currency = CurrencyCode(required=True)
    reason = Text(required=True)
    idempotency_key = Key(allow_none=True, load_default=None)


class NewSubscriptionSchema(ValueSchema):
    """A subscription as it is created.

    Its periods are those of the plan, in ``timezone``: aligned to the calendar, or to the ``anniversary`` of
    ``startedAt``. With ``anchorDay`` periods by months begin on that day, on the last one of shorter months. ``quotas``
    and ``baseFee`` are its own: they hold from its start, and go before the plan's. ``allowBackdating`` lets a
    start lie so far back that the first billing run makes more invoices than USAGE_BILLING_MAX_FIRST_INVOICES.
    """

    builds = NewSubscription

    id = NewIdentifier(required=True)
    customer_id = Identifier(data_key="userId", required=True)
    plan_id = Identifier(required=True)
    started_at = Instant(required=True)
    timezone = Text(maximum=64, load_default="UTC")
    anchor = Choice(*Anchor, load_default=Anchor.CALENDAR)
    anchor_day = Whole(minimum=1, maximum=LONGEST_MONTH, allow_none=True, load_default=None)
    quotas = ma.fields.List(ma.fields.Nested(OwnQuotaSchema), load_default=list)
    base_fee = Amount(maximum=MAX_PRICE, allow_none=True, load_default=None)
    base_fee_timing = Choice(*FeeTiming, allow_none=True, load_default=None)
    allow_backdating = Flag(load_default=False)


class SubscriptionChangesSchema(ValueSchema):
    """The end of a subscription, from which on its usage is quarantined; or another start, while nothing is final."""

    builds = AskedSpan

    ended_at = Instant()
    started_at = Instant()

    @ma.validates_schema
    def says_one_of_them(self, data: dict[str, Any], **_: Any) -> None:
        """Each is a change of its own."""
        if len(data) == 0:
            raise ma.ValidationError({"endedAt": [CodedText("is required, or startedAt in its place", "required")]})
        if len(data) > 1:
            raise ma.ValidationError({"startedAt": [CodedText("and endedAt are two requests", "contradiction")]})


class SubscriptionsQuery(PagedSpanQuery):
    """Which subscriptions; ``from`` and ``to`` are of ``startedAt``, ``status`` is that of now."""

    customer_id = Identifier(data_key="userId", load_default=None)
    plan_id = Identifier(load_default=None)
    status = Choice(*STATUSES, load_default=None)


class OwnTermsSchema(Schema):
    """What becomes of a subscription's own quotas and base fee."""

    quotas = Choice(*Own, load_default=Own.KEEP)
    base_fee = Choice(*Own, load_default=Own.END)


class AskedChangeSchema(RehearsableSchema, ValueSchema):
    """What requests for changes of a subscription have in common."""

    builds = AskedChange

    def arguments(self, data: dict[str, Any]) -> dict[str, Any]:
        """In the words of the domain."""
        own = data.pop("own", None)
        return {
            "when": When(moment=data.pop("at")),
            "voids_later": data.pop("later_usage", REFUSE) == VOID,
            "ends": NOTHING_ENDS if own is None else own_ends(**own),
            **data,
        }


class ChangePlanSchema(AskedChangeSchema):
    """The plan to move to, in the same currency, and when; the period under way is divided at that moment.

    ``own`` says whether the subscription keeps its own quotas (unless said) and its own base fee (not unless said).
    """

    plan_id = Identifier(required=True)
    at = Moment(load_default=NOW)
    own = ma.fields.Nested(OwnTermsSchema, load_default=dict)


class ChangeSchema(AskedChangeSchema):
    """When a change of a subscription takes effect."""

    at = Moment(load_default=NOW)
    body_optional = True


class StopSchema(ChangeSchema):
    """When it takes effect. What was used after that refuses it, or with ``laterUsage`` void is taken back."""

    later_usage = Choice(*LATER_USAGE, load_default=REFUSE)
