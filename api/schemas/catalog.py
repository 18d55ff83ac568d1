"""Plans, usage types and quotas on the wire."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import marshmallow as ma

from api.schemas.base import REQUIRED, ChangesSchema, CodedText, ValueSchema
from api.schemas.fields import Amount, Choice, CurrencyCode, Flag, Identifier, NewIdentifier, Text, Whole
from api.schemas.moments import EffectiveMoment
from api.schemas.paging import PageQuery
from api.schemas.prices import Price
from api.schemas.rehearsals import RehearsableSchema
from usage_billing.catalog.fees import FeeTiming
from usage_billing.catalog.own_quota import OwnQuota
from usage_billing.catalog.plan_versions import NewPlanVersion
from usage_billing.catalog.rollover import QuotaRollover
from usage_billing.catalog.service import NewPlan, NewQuota
from usage_billing.core.choices import INTERVALS, METHODS, Effective, OnDowngrade
from usage_billing.core.decimals import MAX_PRICE, plain
from usage_billing.core.limits import MAX_COUNT, MAX_UNIT_NAME
from usage_billing.flows.administration.manage_catalog import PlanChanges
from usage_billing.rating.tax.categories import TaxCategory


class NewPlanSchema(ValueSchema):
    """A plan as it is created: every ``intervalCount`` intervals a period, perhaps with a base fee.

    ``proration`` says how allowance and base fee are divided when something changes in mid-period: by exact
    ``time``, by local ``days``, or ``none``. ``prorateStartAndEnd`` divides the subscription's own first period, and
    the last fee, as well. What was free stays free where the plan is left, unless ``onDowngrade`` is ``charge``: then
    what the new allowance does not cover is charged. An invoice is to be paid within ``paymentDays``. The base fee is
    taxed by ``taxCategory``: a category of EN 16931, or AA for a lower rate. With ``customerAlerts`` its customers may
    set alerts on their own subscriptions.
    """

    builds = NewPlan

    id = NewIdentifier(required=True)
    name = Text(required=True)
    currency = CurrencyCode(required=True)
    interval = Choice(*INTERVALS, load_default="month")
    interval_count = Whole(minimum=1, maximum=MAX_COUNT, load_default=1)
    base_fee = Amount(maximum=MAX_PRICE, allow_none=True, load_default=None)
    base_fee_timing = Choice(*FeeTiming, load_default=FeeTiming.ARREARS)
    proration = Choice(*METHODS, load_default="time")
    prorates_edges = Flag(data_key="prorateStartAndEnd", load_default=False)
    on_downgrade = Choice(*OnDowngrade, load_default=OnDowngrade.KEEP)
    payment_days = Whole(maximum=MAX_COUNT, load_default=30)
    tax_category = Choice(*TaxCategory, load_default=TaxCategory.STANDARD)
    customer_alerts = Flag(load_default=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedPlanVersion:
    """A version of a base fee that is asked for, and whether it is only looked at, or held to what a look showed."""

    new: NewPlanVersion
    dry_run: bool
    expected_digest: str | None


class NewPlanVersionSchema(RehearsableSchema, ValueSchema):
    """The next version of a plan's base fee, per period, charged as before unless ``baseFeeTiming`` says otherwise.

    From when it holds ``effective`` says, as of a quota. Where fees of periods that have begun become dearer, say
    ``repriceUsage``. With ``dryRun`` a run shows what it would charge and give back, and nothing is made.
    """

    builds = AskedPlanVersion

    base_fee = Amount(maximum=MAX_PRICE, required=True)
    base_fee_timing = Choice(*FeeTiming, load_default=None)
    effective = EffectiveMoment(load_default=Effective.NEXT_PERIOD)
    reprice_usage = Flag(load_default=False)

    def arguments(self, data: dict[str, Any]) -> dict[str, Any]:
        """The version without its plan, which the path names, and beside it how careful the request is."""
        careful = {name: data.pop(name) for name in ("dry_run", "expected_digest")}
        return careful | {"new": NewPlanVersion(plan_id="", **data)}


class PlanChangesSchema(ChangesSchema):
    """What may change of a plan. Currency and interval are part of what was agreed.

    ``taxCategory`` is of what becomes final from now on.
    """

    builds = PlanChanges

    name = Text()
    tax_category = Choice(*TaxCategory)
    customer_alerts = Flag()


class OwnQuotaSchema(ValueSchema):
    """A quota that a subscription gets when it is made: it holds from its start, and goes before the plan's.

    ``monthlyLimit``, per period, null never charges, 0 charges from the first unit. Give ``unitPrice`` or ``price``,
    in the plan's currency.
    """

    builds: type[Any] = OwnQuota

    usage_type = Identifier(required=True)
    limit = Amount(data_key="monthlyLimit", allow_none=True, required=True)
    unit_price = Amount(maximum=MAX_PRICE)
    price = Price()
    currency = CurrencyCode(load_default=None)
    unit_name = Text(maximum=MAX_UNIT_NAME, load_default=None)

    @ma.validates_schema
    def one_price(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse a quota with both ``unitPrice`` and ``price``."""
        if "unit_price" in data and "price" in data:
            message = CodedText("give unitPrice or price, not both", "contradiction")
            raise ma.ValidationError({"price": [message]})
        if "unit_price" not in data and "price" not in data:
            raise ma.ValidationError({"unitPrice": [REQUIRED]})

    def arguments(self, data: dict[str, Any]) -> dict[str, Any]:
        """``unitPrice`` spelled as the price that it is."""
        if "unit_price" not in data:
            return data
        unit_price = plain(data["unit_price"])
        rest = {name: value for name, value in data.items() if name != "unit_price"}
        return rest | {"price": {"model": "per_unit", "unitPrice": unit_price}}


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedQuota:
    """A quota that is asked for, and whether it is only looked at, or held to what a look showed."""

    new: NewQuota
    dry_run: bool
    expected_digest: str | None


class NewQuotaRolloverSchema(ValueSchema):
    """What of an allowance that a period leaves is carried over, as a grant, and for how many more periods."""

    builds = QuotaRollover

    max = Amount(positive=True, allow_none=True, load_default=None)
    max_percent = Whole(minimum=1, maximum=100, allow_none=True, load_default=None)
    periods = Whole(minimum=1, maximum=MAX_COUNT, load_default=1)


class NewQuotaSchema(RehearsableSchema, OwnQuotaSchema):
    """A quota, or its next version; ``effective`` says from when it holds, and ``effectiveFrom`` answers that.

    ``next_period`` is the default of a next version, ``period`` the start of the one that runs, ``now`` at once,
    ``start`` that of each subscription. The first of a plan holds from the running period on, and for subscriptions
    that are made after it from their start. If recorded usage becomes dearer, say ``repriceUsage``. ``monthlyLimit``,
    per period, null never charges, 0 charges from the first unit. Give ``unitPrice`` or ``price``, in the plan's
    currency. With ``subscriptionId`` it is that subscription's own, and goes before the plan's. ``rollover`` says what
    is carried over when a period ends; a version without it carries nothing over. ``dryRun`` shows what
    it would charge and give back, and makes nothing: of a plan's by a run that looks at every subscription.
    """

    builds = AskedQuota

    plan_id = Identifier(required=True)
    subscription_id = Identifier(allow_none=True, load_default=None)
    effective = EffectiveMoment()
    reprice_usage = Flag(load_default=False)
    rollover = ma.fields.Nested(NewQuotaRolloverSchema, allow_none=True, load_default=None)

    def arguments(self, data: dict[str, Any]) -> dict[str, Any]:
        """The quota, and beside it how careful the request is."""
        careful = {name: data.pop(name) for name in ("dry_run", "expected_digest")}
        return careful | {"new": NewQuota(**super().arguments(data))}


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedEnd:
    """From when a quota is to hold no more, whether that may make usage dearer, and what of a dry run is asked."""

    effective: str | datetime
    reprice_usage: bool
    dry_run: bool
    expected_digest: str | None


class EndQuotaSchema(RehearsableSchema, ValueSchema):
    """From when a quota of a subscription's own holds no more. Where that makes usage dearer, say ``repriceUsage``."""

    builds = AskedEnd

    effective = EffectiveMoment(load_default=Effective.NEXT_PERIOD)
    reprice_usage = Flag(load_default=False)
    body_optional = True


class QuotasQuery(PageQuery):
    """Which versions of quotas; ``current`` false are those that a later one has replaced."""

    plan_id = Identifier(load_default=None)
    usage_type = Identifier(load_default=None)
    subscription_id = Identifier(load_default=None)
    current = Flag(load_default=None)
