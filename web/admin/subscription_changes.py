"""What an operator changes of a subscription, each change with its dry run before it happens."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from flask import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.state import state, this_request
from usage_billing.catalog.models import Plan
from usage_billing.cli.frame.times import MOMENT, in_zone
from usage_billing.cli.frame.types import DIGEST
from usage_billing.core.choices import Own
from usage_billing.core.errors import Conflict, InvalidInput, NotFound
from usage_billing.db.session import read_only
from usage_billing.flows.administration import change_subscription as flows
from usage_billing.flows.administration.agree import AgreedChange, Precaution
from usage_billing.flows.administration.situation import When
from usage_billing.flows.folding.drive_reads import foreseeing
from usage_billing.reports.subscriptions import changed_view
from usage_billing.subscriptions.models import Subscription
from usage_billing.subscriptions.moments import LATER_USAGE, NOW, VOID
from usage_billing.subscriptions.queries import get_subscription
from usage_billing.wire.noun import Shape, show
from usage_billing.wire.subscription import CHANGED_SUBSCRIPTION
from web.admin.blueprint import address, blp
from web.admin.desk import Desk, Operator
from web.admin.forms import Box, Done, Form, Said, read, refused, shown, submitted
from web.admin.frame import part
from web.admin.gate import changing, look_again, looking

_WRONG = 422
_MOST_PLANS = 1000
_STEP, _LOOK, _AS_SHOWN, _AT_ONCE = "step", "look", "as_shown", "at_once"

_AT = Box(
    name="at",
    label="When",
    kind=MOMENT,
    value=NOW,
    help="now, period_end, or a time such as 2026-12-01 or 2026-12-01T09:30, by the clocks of the subscription.",
)
_LATER = Box(
    name="laterUsage",
    label="Usage after that moment",
    type="choice",
    choices=tuple(zip(LATER_USAGE, ("is there: then do not", "is taken back"), strict=True)),
    value=LATER_USAGE[0],
)
_KEEPS = ((Own.KEEP.value, "stay"), (Own.END.value, "end"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of change: its words, its fields beside the moment, and the flow with what these say."""

    title: str
    says: str
    verb: str
    boxes: Callable[[Session, Subscription], list[Box]]
    flow: Callable[[dict[str, Any]], Callable[..., AgreedChange]]
    danger: bool = False


def _plans(session: Session, subscription: Subscription) -> list[Box]:
    currency = session.get_one(Plan, subscription.plan_id).currency
    statement = select(Plan).where(Plan.currency == currency).order_by(Plan.id).limit(_MOST_PLANS)
    plans = [(plan.id, f"{plan.name} ({plan.id})") for plan in session.scalars(statement)]
    own = partial(Box, type="choice", choices=_KEEPS)
    return [
        Box(name="planId", label="Plan", type="choice", choices=plans, value=subscription.plan_id),
        own(name="ownQuotas", label="Quotas of its own", value=Own.KEEP.value),
        own(name="ownBaseFee", label="A base fee of its own", value=Own.END.value),
    ]


KINDS = {
    "change-plan": Kind(
        title="Change the plan",
        says="Both parts of the period are billed by their own plan.",
        verb="Change the plan",
        boxes=_plans,
        flow=lambda said: partial(
            flows.change_plan,
            plan_id=said["planId"],
            own={"quotas": said["ownQuotas"], "base_fee": said["ownBaseFee"]},
        ),
    ),
    "pause": Kind(
        title="Pause",
        says="Until it is resumed nothing is charged, and what is recorded is quarantined.",
        verb="Pause",
        boxes=lambda _session, _subscription: [_LATER],
        flow=lambda said: partial(flows.pause, later_usage=said["laterUsage"]),
    ),
    "resume": Kind(
        title="Resume",
        says="It goes on with the plan that it is on by then.",
        verb="Resume",
        boxes=lambda _session, _subscription: [],
        flow=lambda _said: flows.resume,
    ),
    "cancel": Kind(
        title="Cancel",
        says="Its final invoice is due at that moment. An end that was planned for later is taken back.",
        verb="Cancel the subscription",
        boxes=lambda _session, _subscription: [_LATER],
        flow=lambda said: partial(flows.cancel, later_usage=said["laterUsage"]),
        danger=True,
    ),
}


@blp.get("/subscriptions/<identifier:subscription_id>/<any('change-plan',pause,resume,cancel):kind>")
@looking
def ask_for_change(desk: Desk, subscription_id: str, kind: str) -> Response:
    """The form of a change."""
    form = _form(desk.session, subscription_id, kind)
    return shown(desk, form, Said(texts={box.name: box.value for box in form.boxes}))


@blp.post("/subscriptions/<identifier:subscription_id>/<any('change-plan',pause,resume,cancel):kind>")
@changing
def change_it(operator: Operator, subscription_id: str, kind: str) -> Response:
    """Look what a change would do, and show it; or do it: as it was shown, or at once."""
    with read_only(state().engine) as session:
        form = _form(session, subscription_id, kind)
    step = this_request().form.get(_STEP, _LOOK)
    if step not in {_LOOK, _AS_SHOWN, _AT_ONCE}:
        raise InvalidInput.field("/step", "is none of the buttons", code="not_a_choice")
    if step == _LOOK:
        return _look(operator, form, subscription_id, kind)
    digest, at = this_request().form.get("digest", ""), this_request().form.get("effectiveAt", "")
    within = state().settings.adjust_within

    def do(session: Session, said: dict[str, Any]) -> Done:
        careful = Precaution(adjust_within=within)
        if step == _AS_SHOWN:
            said |= {"at": _instant(at)}
            careful = replace(careful, expected_digest=_digest(digest))
        _change(session, operator, subscription_id, kind, said, careful)
        return Done(address("subscriptions", subscription_id))

    return submitted(operator, form, do, beside=(_STEP, "digest", "effectiveAt"))


def _look(operator: Operator, form: Form, subscription_id: str, kind: str) -> Response:
    said = read(form, beside=(_STEP, "digest", "effectiveAt"))
    if said.wrong:
        return look_again(operator, lambda desk: shown(desk, form, said, status=_WRONG))
    careful = Precaution(dry_run=True, adjust_within=state().settings.adjust_within)
    takes_back = said.values.get("laterUsage") == VOID

    def show_it(shape: Shape, desk: Desk) -> Response:
        own = replace(desk, writer=replace(desk.writer, zone=shape["timezone"]))
        at_once = said.values["at"] == NOW
        result = part(own, "foreseen", shape=shape, form=form, said=said, at_once=at_once)
        return shown(desk, replace(form, verb="Look again"), said, result=result, looks=True)

    try:
        with foreseeing(state().engine, subscription_id, takes_back=takes_back) as session:
            shape = _change(session, operator, subscription_id, kind, dict(said.values), careful)
        return look_again(operator, partial(show_it, shape))
    except (InvalidInput, Conflict, NotFound) as error:
        return refused(operator, form, said, error)


def _change(
    session: Session, operator: Operator, subscription_id: str, kind: str, said: dict[str, Any], careful: Precaution
) -> Shape:
    moment = in_zone(said["at"], get_subscription(session, subscription_id).timezone)
    flow = KINDS[kind].flow(said)
    done = flow(
        session, subscription_id, when=When(moment=moment), actor=operator.actor, now=operator.now, precaution=careful
    )
    return show(CHANGED_SUBSCRIPTION, changed_view(session, done, now=operator.now))


def _form(session: Session, subscription_id: str, kind: str) -> Form:
    subscription, what = get_subscription(session, subscription_id), KINDS[kind]
    return Form(
        title=f"{what.title}: {subscription_id}",
        says=what.says,
        verb="Look what it would do",
        current="subscriptions",
        back=address("subscriptions", subscription_id),
        boxes=[*what.boxes(session, subscription), _AT],
        danger=what.danger,
        does=what.verb,
    )


def _digest(text: str) -> str:
    try:
        return DIGEST.read(text)
    except ValueError as error:
        raise InvalidInput.field("/digest", str(error)) from None


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise InvalidInput.field("/effectiveAt", "is no instant")
    return found
