"""What an operator does with subscriptions beside changing their plan: make, take back, move the start."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.state import state
from usage_billing.catalog.models import Plan
from usage_billing.cli.frame.times import LOCAL_TIME, in_zone
from usage_billing.cli.frame.types import IDENTIFIER, NEW_IDENTIFIER, PRICE
from usage_billing.core.limits import MAX_BIGINT
from usage_billing.core.periods import is_time_zone
from usage_billing.flows.administration.change_subscription import take_back
from usage_billing.flows.administration.manage_subscriptions import create_subscription
from usage_billing.flows.administration.move_start import move_start
from usage_billing.subscriptions.anchors import Anchor
from usage_billing.subscriptions.queries import get_subscription
from usage_billing.subscriptions.service import NewSubscription
from web.admin.blueprint import address
from web.admin.desk import Operator
from web.admin.forms import Box, Done, Form, change

_MOST_PLANS = 1000
_ANCHORS = ((Anchor.CALENDAR.value, "the calendar"), (Anchor.ANNIVERSARY.value, "the day it started"))
_DAYS = (("", "the first"), *((str(day), str(day)) for day in range(2, 32)))
_LOCAL = "A day such as 2026-12-01, or a time such as 2026-12-01T09:30, by the clocks of its time zone."


def _new(session: Session) -> Form:
    plans = session.scalars(select(Plan).order_by(Plan.id).limit(_MOST_PLANS))
    return Form(
        title="New subscription",
        says="A customer on a plan. Quotas of its own can be defined afterwards.",
        verb="Create the subscription",
        current="subscriptions",
        back=address("subscriptions"),
        boxes=[
            Box(name="id", label="Id", kind=NEW_IDENTIFIER, help="The subscriptionId of recordings."),
            Box(name="userId", label="Customer", kind=IDENTIFIER),
            Box(
                name="planId",
                label="Plan",
                type="choice",
                choices=[(plan.id, f"{plan.name} ({plan.id}, {plan.currency})") for plan in plans],
            ),
            Box(name="startedAt", label="Starts", kind=LOCAL_TIME, required=False, help=f"Now unless said. {_LOCAL}"),
            Box(name="timezone", label="Time zone", value="UTC", help="An IANA time zone such as Europe/Berlin."),
            Box(name="anchor", label="Periods follow", type="choice", choices=_ANCHORS, value=_ANCHORS[0][0]),
            Box(
                name="anchorDay",
                label="Day of the month that periods begin on",
                type="choice",
                choices=_DAYS,
                required=False,
            ),
            Box(
                name="baseFee", label="Base fee of its own", kind=PRICE, required=False, help="The plan's unless said."
            ),
        ],
    )


def _create(session: Session, operator: Operator, values: dict[str, Any]) -> Done:
    zone, day = values["timezone"], values["anchorDay"]
    begins = values["startedAt"] or operator.now
    new = NewSubscription(
        id=values["id"],
        customer_id=values["userId"],
        plan_id=values["planId"],
        started_at=in_zone(begins, zone if is_time_zone(zone) else "UTC"),
        timezone=zone,
        anchor=values["anchor"],
        anchor_day=int(day) if day else None,
        base_fee=values["baseFee"],
    )
    most = state().settings.max_first_invoices
    create_subscription(session, new, actor=operator.actor, now=operator.now, most_first_invoices=most)
    return Done(address("subscriptions", new.id))


def _planned(session: Session, subscription_id: str, change_id: int) -> Form:
    get_subscription(session, subscription_id)
    return Form(
        title="Take back what is planned",
        says=f"Change {change_id} of {subscription_id} will not happen; nothing else that is planned changes.",
        verb="Take it back",
        current="subscriptions",
        back=address("subscriptions", subscription_id),
    )


def _take_back(
    session: Session, operator: Operator, _values: dict[str, Any], subscription_id: str, change_id: int
) -> Done:
    take_back(session, subscription_id, change_id, actor=operator.actor, now=operator.now)
    return Done(address("subscriptions", subscription_id))


def _moved(session: Session, subscription_id: str) -> Form:
    found = get_subscription(session, subscription_id)
    return Form(
        title=f"Move the start of {subscription_id}",
        says="While no invoice of it is final. Recordings in quarantine that fit then can be replayed.",
        verb="Move its start",
        current="subscriptions",
        back=address("subscriptions", subscription_id),
        boxes=[Box(name="startedAt", label="Starts", kind=LOCAL_TIME, help=f"{_LOCAL} It is {found.timezone}.")],
    )


def _move(session: Session, operator: Operator, values: dict[str, Any], subscription_id: str) -> Done:
    begins = in_zone(values["startedAt"], get_subscription(session, subscription_id).timezone)
    move_start(session, subscription_id, started_at=begins, actor=operator.actor, now=operator.now)
    return Done(address("subscriptions", subscription_id))


change("/subscriptions/new", "new_subscription", _new, _create)
change(
    f"/subscriptions/<identifier:subscription_id>/scheduled/<int(max={MAX_BIGINT}):change_id>/take-back",
    "take_back",
    _planned,
    _take_back,
)
change("/subscriptions/<identifier:subscription_id>/move-start", "move_start", _moved, _move)
