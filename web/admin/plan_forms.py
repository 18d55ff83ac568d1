"""What an operator changes of plans: made, renamed, and versions of a base fee, each with its dry run."""

from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from api import enqueue
from api.state import state
from usage_billing.catalog.fees import FeeTiming
from usage_billing.catalog.models import Plan
from usage_billing.catalog.plan_versions import NewPlanVersion
from usage_billing.catalog.queries import get_named
from usage_billing.catalog.service import NewPlan
from usage_billing.cli.frame.times import EFFECTIVE, in_zone
from usage_billing.cli.frame.types import DIGEST, NAME, NEW_IDENTIFIER, PRICE
from usage_billing.core.choices import INTERVALS, METHODS, Effective, OnDowngrade
from usage_billing.flows.administration.agree import Precaution
from usage_billing.flows.administration.manage_catalog import PlanChanges, change_plan, create_plan
from usage_billing.flows.administration.plan_versions import define_plan_version, rehearse_plan_version
from usage_billing.wire.tax import TAX_CATEGORIES
from web.admin.blueprint import address
from web.admin.desk import Operator
from web.admin.forms import Box, Done, Form, change
from web.admin.kinds import COUNT, DAYS

DRY, REAL = "dry", "real"
EFFECTIVE_HELP = "next_period, period, now, start, or a time; one without an offset is UTC."
_NO_YES = (("no", "no"), ("yes", "yes"))
_TIMINGS = tuple((timing.value, f"in {timing.value}") for timing in FeeTiming)

tax_box = partial(
    Box,
    name="taxCategory",
    label="Tax category",
    type="choice",
    choices=tuple((one, one) for one in TAX_CATEGORIES),
    help="By EN 16931; S is the standard rate.",
)

alerts_box = partial(
    Box, name="customerAlerts", label="Its customers may set alerts", type="choice", choices=_NO_YES, required=False
)


def rehearsal_boxes() -> list[Box]:
    """What each change of a plan asks: whether it is only looked at, and what it is held to."""
    kinds = ((DRY, "a dry run: a worker looks at every subscription"), (REAL, "define it"))
    digest = "Refused unless it does what a dry run with this digest showed."
    return [
        Box(name="repriceUsage", label="Also where recorded use becomes dearer", type="choice", choices=_NO_YES,
            value="no"),
        Box(name="kind", label="What", type="choice", choices=kinds, value=DRY),
        Box(name="expectedDigest", label="Digest", kind=DIGEST, required=False, help=digest),
    ]  # fmt: skip


def precaution_of(values: dict[str, Any]) -> Precaution:
    """How careful a change is; raises InvalidInput for a dry run that is held to another."""
    within = state().settings.adjust_within
    dry, digest = values["kind"] == DRY, values["expectedDigest"]
    return Precaution(dry_run=dry, expected_digest=digest, adjust_within=within)


def _new(_: Session) -> Form:
    def choice(name: str, label: str, words: Any, value: str, help: str = "") -> Box:
        pairs = tuple((word, word) for word in words)
        return Box(name=name, label=label, type="choice", choices=pairs, value=value, help=help)

    return Form(
        title="New plan",
        says="What is sold. Its currency and interval never change; its quotas are defined afterwards.",
        verb="Create the plan",
        current="plans",
        back=address("plans"),
        boxes=[
            Box(name="id", label="Id", kind=NEW_IDENTIFIER),
            Box(name="name", label="Name", kind=NAME),
            Box(name="currency", label="Currency", help="An ISO 4217 code such as USD."),
            choice("interval", "A period is", INTERVALS, "month"),
            Box(name="intervalCount", label="How many of these", kind=COUNT, value="1"),
            Box(name="baseFee", label="Base fee of each period", kind=PRICE, required=False),
            Box(name="baseFeeTiming", label="Due", type="choice", choices=_TIMINGS, value=FeeTiming.ARREARS.value),
            choice("proration", "In mid-period allowance and fee are divided by", METHODS, METHODS[0]),
            Box(name="prorateStartAndEnd", label="Also the first and the last period", type="choice",
                choices=_NO_YES, value="no"),
            choice("onDowngrade", "Where it is left, what was free is", OnDowngrade, OnDowngrade.KEEP),
            Box(name="paymentDays", label="Days until an invoice is due", kind=DAYS, value="30"),
            tax_box(value="S"),
            alerts_box(value="no"),
        ],
    )  # fmt: skip


def _create(session: Session, operator: Operator, values: dict[str, Any]) -> Done:
    new = NewPlan(
        id=values["id"],
        name=values["name"],
        currency=values["currency"],
        interval=values["interval"],
        interval_count=values["intervalCount"],
        base_fee=values["baseFee"],
        base_fee_timing=values["baseFeeTiming"],
        proration=values["proration"],
        prorates_edges=values["prorateStartAndEnd"] == "yes",
        on_downgrade=values["onDowngrade"],
        payment_days=values["paymentDays"],
        tax_category=values["taxCategory"],
        customer_alerts=values["customerAlerts"] == "yes",
    )
    create_plan(session, new, actor=operator.actor, now=operator.now)
    return Done(address("plans", new.id))


def _changed(session: Session, plan_id: str) -> Form:
    plan = get_named(session, Plan, plan_id)
    return Form(
        title=f"Change {plan.name}",
        says="Its currency and interval are agreed and never change.",
        verb="Change the plan",
        current="plans",
        back=address("plans", plan_id),
        boxes=[
            Box(name="name", label="Name", kind=NAME, value=plan.name),
            tax_box(value=plan.tax_category),
            alerts_box(value="yes" if plan.customer_alerts else "no"),
        ],
    )


def _change(session: Session, operator: Operator, values: dict[str, Any], plan_id: str) -> Done:
    plan = get_named(session, Plan, plan_id)
    allows = None if values["customerAlerts"] is None else values["customerAlerts"] == "yes"
    changes = PlanChanges(
        customer_alerts=None if allows == plan.customer_alerts else allows,
        name=None if values["name"] == plan.name else values["name"],
        tax_category=None if values["taxCategory"] == plan.tax_category else values["taxCategory"],
    )
    if changes != PlanChanges():
        change_plan(session, plan_id, changes, actor=operator.actor, now=operator.now)
    return Done(address("plans", plan_id))


def _fee(session: Session, plan_id: str) -> Form:
    plan = get_named(session, Plan, plan_id)
    return Form(
        title=f"Next base fee of {plan.name}",
        says="A dry run shows for every subscription what it would charge and give back.",
        verb="Go on",
        current="plans",
        back=address("plans", plan_id),
        boxes=[
            Box(name="baseFee", label=f"Base fee of each period, in {plan.currency}", kind=PRICE),
            Box(name="baseFeeTiming", label="Due", type="choice", choices=(("", "as before"), *_TIMINGS),
                required=False),
            Box(name="effective", label="From when", kind=EFFECTIVE, value=Effective.NEXT_PERIOD.value,
                help=EFFECTIVE_HELP),
            *rehearsal_boxes(),
        ],
    )  # fmt: skip


def _define_fee(session: Session, operator: Operator, values: dict[str, Any], plan_id: str) -> Done:
    new = NewPlanVersion(
        plan_id=plan_id,
        base_fee=values["baseFee"],
        base_fee_timing=values["baseFeeTiming"],
        effective=in_zone(values["effective"], "UTC"),
        reprice_usage=values["repriceUsage"] == "yes",
    )
    careful = precaution_of(values)
    if careful.dry_run:
        run = rehearse_plan_version(session, new, actor=operator.actor, now=operator.now)
        return Done(address("runs", run.id), later=partial(enqueue.start_run, run.id))
    define_plan_version(session, new, actor=operator.actor, now=operator.now, precaution=careful)
    return Done(address("plans", plan_id))


change("/plans/new", "new_plan", _new, _create)
change("/plans/<identifier:plan_id>/change", "plan_change", _changed, _change)
change("/plans/<identifier:plan_id>/base-fee", "base_fee", _fee, _define_fee)
