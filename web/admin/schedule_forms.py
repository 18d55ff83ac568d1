"""What an operator does with grants that recur: a schedule made, and ended."""

from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from api.state import state
from usage_billing.cli.frame.times import TIME
from usage_billing.cli.frame.types import QUANTITY, VALIDITY
from usage_billing.core.decimals import plain
from usage_billing.core.errors import InvalidInput
from usage_billing.flows.prepaid.manage_schedules import Carrying, Interval, NewSchedule, end_schedule, make_schedule
from usage_billing.schedules.queries import get_schedule
from usage_billing.wallets.queries import get_wallet
from web.admin.blueprint import address
from web.admin.desk import Operator
from web.admin.forms import Box, Done, Form, change, key_box
from web.admin.kinds import COUNT, IDENTIFIERS, PERCENT, PRIORITY

_CATEGORIES = (("", "promotional"), ("adjustment", "adjustment"))
_ANCHORS = (("anniversary", "its own start"), ("calendar", "the calendar: midnights, Mondays, first days"))
_NO_YES = (("no", "no"), ("yes", "yes"))


def _recurring(session: Session, wallet_id: str) -> Form:
    wallet = get_wallet(session, wallet_id)
    unit = wallet.unit_name or wallet.currency
    some = partial(Box, kind=IDENTIFIERS, type="area", rows=2, required=False, help="One a line; all, if empty.")
    return Form(
        title=f"Recurring grant into {wallet_id}",
        says=f"An amount in {unit}, again and again, from when until when, and how long each holds.",
        verb="Let it recur",
        current="wallets",
        back=address("wallets", wallet_id),
        boxes=[
            Box(name="amount", label=f"Amount of each, in {unit}", kind=QUANTITY),
            Box(name="every", label="Every", kind=VALIDITY, value="month", help="Such as month, or 2 week."),
            Box(name="anchor", label="It follows", type="choice", choices=_ANCHORS, value="anniversary"),
            Box(
                name="timezone",
                label="Time zone whose calendar counts",
                required=False,
                help="The subscription's, or UTC, if empty.",
            ),
            Box(name="startsAt", label="From when", kind=TIME, required=False, help="Now, if empty."),
            Box(name="endsAt", label="Until when", kind=TIME, required=False, help="Without an end, if empty."),
            Box(name="untilNext", label="Each holds until the next begins", type="choice", choices=_NO_YES, value="no"),
            Box(
                name="validity",
                label="Or each holds for",
                kind=VALIDITY,
                required=False,
                help="Such as 3 month; for ever, if empty.",
            ),
            Box(
                name="rollover",
                label="What is left is carried over so many times",
                kind=COUNT,
                required=False,
                help="Only of grants that hold until the next begins.",
            ),
            Box(name="most", label="Carried over at most", kind=QUANTITY, required=False),
            Box(name="percent", label="And at most so many per cent of it", kind=PERCENT, required=False),
            Box(name="category", label="Category", type="choice", choices=_CATEGORIES, required=False),
            Box(name="priority", label="Priority", kind=PRIORITY, value="50", help="0 to 100; lower ones pay first."),
            some(name="usageTypes", label="Only for usage types"),
            some(name="subscriptionIds", label="Only for subscriptions"),
            key_box("Makes it once."),
        ],
    )


def _recur(session: Session, operator: Operator, values: dict[str, Any], wallet_id: str) -> Done:
    new = NewSchedule(
        amount=values["amount"],
        idempotency_key=values["idempotencyKey"],
        every=_interval(values["every"]),
        anchor=values["anchor"],
        timezone=values["timezone"],
        starts_at=values["startsAt"],
        ends_at=values["endsAt"],
        validity=None if values["validity"] is None else _interval(values["validity"]),
        until_next=values["untilNext"] == "yes",
        rollover=_carrying(values),
        category=values["category"],
        priority=values["priority"],
        usage_types=values["usageTypes"],
        subscription_ids=values["subscriptionIds"],
    )
    grace = timedelta(seconds=state().settings.grace_seconds)
    make_schedule(session, wallet_id, new, actor=operator.actor, now=operator.now, grace=grace)
    return Done(address("wallets", wallet_id))


def _interval(said: tuple[int, str]) -> Interval:
    return Interval(interval=said[1], interval_count=said[0])


def _carrying(values: dict[str, Any]) -> Carrying | None:
    periods, most, percent = values["rollover"], values["most"], values["percent"]
    if periods is not None:
        return Carrying(max=most, max_percent=percent, periods=periods)
    if most is not None or percent is not None:
        raise InvalidInput.field("/rollover", "is needed where a bound of it is given", code="required")
    return None


def _ended(session: Session, schedule_id: UUID) -> Form:
    schedule = get_schedule(session, schedule_id)
    often = f"{schedule.interval_count} {schedule.interval}"
    return Form(
        title="End a recurring grant",
        says=f"{plain(schedule.amount)} every {often} in {schedule.wallet_id}. What it granted stays.",
        verb="End it",
        current="schedules",
        back=address("wallets", schedule.wallet_id),
        boxes=[Box(name="at", label="From when", kind=TIME, required=False, help="Now, if empty.")],
        danger=True,
    )


def _end(session: Session, operator: Operator, values: dict[str, Any], schedule_id: UUID) -> Done:
    ended = end_schedule(session, schedule_id, at=values["at"], actor=operator.actor, now=operator.now)
    return Done(address("wallets", ended.wallet_id))


change("/wallets/<identifier:wallet_id>/recur", "recur", _recurring, _recur)
change("/schedules/<uuid:schedule_id>/end", "end_schedule", _ended, _end)
