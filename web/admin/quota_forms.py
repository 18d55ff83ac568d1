"""Quotas at the desk: the next version of a plan's, or of a subscription's own; and the end of an own one."""

from dataclasses import replace
from functools import partial
from typing import Any

from flask import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from api import enqueue
from api.state import state
from usage_billing.catalog.models import Plan, UsageQuota, UsageType
from usage_billing.catalog.queries import get_named, get_quota
from usage_billing.catalog.rollover import QuotaRollover
from usage_billing.catalog.service import NewQuota
from usage_billing.cli.frame.times import EFFECTIVE, in_zone
from usage_billing.cli.frame.types import LIMIT, PRICE, PRICE_JSON, QUANTITY, UNIT
from usage_billing.core.choices import Effective
from usage_billing.core.decimals import plain
from usage_billing.core.errors import InvalidInput, NotFound
from usage_billing.core.limits import MAX_BIGINT
from usage_billing.flows.administration.agree import AgreedChange
from usage_billing.flows.administration.define_quota import define_quota
from usage_billing.flows.administration.own_quotas import end_own_quota, foresee_end, foresee_own
from usage_billing.flows.administration.plan_quotas import rehearse_for_plan
from usage_billing.reports.subscriptions import changed_view
from usage_billing.subscriptions.queries import get_subscription
from usage_billing.wire.noun import show
from usage_billing.wire.subscription import CHANGED_SUBSCRIPTION
from web.admin.blueprint import address
from web.admin.desk import Desk, Operator
from web.admin.forms import Box, Done, Form, change
from web.admin.frame import framed
from web.admin.kinds import COUNT, PERCENT
from web.admin.plan_forms import EFFECTIVE_HELP, precaution_of, rehearsal_boxes

_MOST_TYPES = 1000
_EXAMPLE = '{"model": "graduated", "tiers": [{"upTo": "100", "unitPrice": "1"}, {"unitPrice": "0.5"}]}'


def _boxes(session: Session) -> list[Box]:
    types = session.scalars(select(UsageType.id).order_by(UsageType.id).limit(_MOST_TYPES))
    return [
        Box(name="usageType", label="Usage type", type="choice", choices=[(one, one) for one in types]),
        Box(name="monthlyLimit", label="Allowance a period", kind=LIMIT, help="A number; none never charges."),
        Box(name="unitPrice", label="Price of each unit beyond it", kind=PRICE, required=False),
        Box(name="price", label="Or any price", kind=PRICE_JSON, type="area", rows=5, required=False,
            help=f"Such as {_EXAMPLE}."),
        Box(name="unitName", label="What a unit is called on invoices", kind=UNIT, required=False),
        Box(name="rollover", label="What a period leaves is carried over for so many more", kind=COUNT, required=False,
            help="Nothing is carried over, if empty."),
        Box(name="most", label="Carried over at most", kind=QUANTITY, required=False),
        Box(name="percent", label="And at most so many per cent of the allowance", kind=PERCENT, required=False),
        Box(name="effective", label="From when", kind=EFFECTIVE, required=False, help=EFFECTIVE_HELP),
        *rehearsal_boxes(),
    ]  # fmt: skip


def _for_plan(session: Session, plan_id: str) -> Form:
    plan = get_named(session, Plan, plan_id)
    return Form(
        title=f"A quota of {plan.name}",
        says=f"Or its next version. Prices are in {plan.currency}.",
        verb="Go on",
        current="plans",
        back=address("plans", plan_id),
        boxes=_boxes(session),
    )


def _own(session: Session, subscription_id: str) -> Form:
    found = get_subscription(session, subscription_id)
    return Form(
        title=f"A quota of {subscription_id}'s own",
        says=f"It goes before its plan's. Times without an offset are by the clocks of {found.timezone}.",
        verb="Go on",
        current="subscriptions",
        back=address("subscriptions", subscription_id),
        boxes=_boxes(session),
    )


def _quota(values: dict[str, Any], *, plan_id: str, zone: str, subscription_id: str | None = None) -> NewQuota:
    unit_price, price = values["unitPrice"], values["price"]
    if (unit_price is None) == (price is None):
        raise InvalidInput.field("/unitPrice", "give this or any price, and not both", code="contradiction")
    return NewQuota(
        plan_id=plan_id,
        usage_type=values["usageType"],
        limit=values["monthlyLimit"],
        price=price if price is not None else {"model": "per_unit", "unitPrice": plain(unit_price)},
        unit_name=values["unitName"],
        subscription_id=subscription_id,
        effective=in_zone(values["effective"], zone),
        reprice_usage=values["repriceUsage"] == "yes",
        rollover=_rollover(values),
    )


def _rollover(values: dict[str, Any]) -> QuotaRollover | None:
    if values["rollover"] is None:
        if values["most"] is not None or values["percent"] is not None:
            message = "says for how many periods what is left is carried over"
            raise InvalidInput.field("/rollover", message, code="required")
        return None
    return QuotaRollover(
        max=values["most"],
        max_percent=values["percent"],
        periods=values["rollover"],
        grace_seconds=state().settings.grace_seconds,
    )


def _define(session: Session, operator: Operator, values: dict[str, Any], plan_id: str) -> Done:
    new, careful = _quota(values, plan_id=plan_id, zone="UTC"), precaution_of(values)
    if careful.dry_run:
        run = rehearse_for_plan(session, new, actor=operator.actor, now=operator.now)
        return Done(address("runs", run.id), later=partial(enqueue.start_run, run.id))
    define_quota(session, new, actor=operator.actor, now=operator.now, precaution=careful)
    return Done(address("plans", plan_id))


def _define_own(session: Session, operator: Operator, values: dict[str, Any], subscription_id: str) -> Done:
    found, careful = get_subscription(session, subscription_id), precaution_of(values)
    new = _quota(values, plan_id=found.plan_id, zone=found.timezone, subscription_id=subscription_id)
    if careful.dry_run:
        return _looked(
            session,
            foresee_own(session, new=new, owner=subscription_id, precaution=careful, now=operator.now),
            operator,
        )
    define_quota(session, new, actor=operator.actor, now=operator.now, precaution=careful)
    return Done(address("subscriptions", subscription_id))


def _looked(session: Session, found: AgreedChange, operator: Operator) -> Done:
    shape = show(CHANGED_SUBSCRIPTION, changed_view(session, found, now=operator.now))

    def page(desk: Desk) -> Response:
        own = replace(desk, writer=replace(desk.writer, zone=shape["timezone"]))
        return framed(own, "subscriptions", "looked", shape=shape)

    return Done(at_once=page)


def _ended(session: Session, quota_id: int) -> Form:
    quota = _own_quota(session, quota_id)
    return Form(
        title=f"End the quota of {quota.subscription_id}'s own",
        says=f"For {quota.usage_type_id}; then the plan's holds.",
        verb="Go on",
        current="subscriptions",
        back=address("subscriptions", quota.subscription_id),
        boxes=[
            Box(
                name="effective",
                label="From when",
                kind=EFFECTIVE,
                value=Effective.NEXT_PERIOD.value,
                help="next_period, period, now, start, or a time by the clocks of the subscription.",
            ),
            *rehearsal_boxes(),
        ],
    )


def _end(session: Session, operator: Operator, values: dict[str, Any], quota_id: int) -> Done:
    owner = get_subscription(session, str(_own_quota(session, quota_id).subscription_id))
    careful = precaution_of(values)
    asked: dict[str, Any] = {
        "effective": in_zone(values["effective"], owner.timezone),
        "reprice_usage": values["repriceUsage"] == "yes",
        "precaution": careful,
    }
    if careful.dry_run:
        return _looked(session, foresee_end(session, quota_id=quota_id, now=operator.now, **asked), operator)
    end_own_quota(session, quota_id, actor=operator.actor, now=operator.now, **asked)
    return Done(address("subscriptions", owner.id))


def _own_quota(session: Session, quota_id: int) -> UsageQuota:
    found = get_quota(session, quota_id)
    if found.subscription_id is None:
        raise NotFound(f"the quota {quota_id} is no subscription's own")
    return found


change("/plans/<identifier:plan_id>/quota", "quota", _for_plan, _define)
change("/subscriptions/<identifier:subscription_id>/quota", "own_quota", _own, _define_own)
change(f"/quotas/<int(max={MAX_BIGINT}):quota_id>/end", "end_quota", _ended, _end)
