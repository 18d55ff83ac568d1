"""What an operator does with top-ups: the rule set and ended, a request said to be paid or not."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from api.state import state
from usage_billing.cli.frame.times import TIME
from usage_billing.cli.frame.types import IDENTIFIER, NAME, PRICE, QUANTITY
from usage_billing.core.decimals import plain
from usage_billing.flows.administration.pay_top_up import Payment, pay_top_up
from usage_billing.flows.prepaid.manage_top_ups import NewRule, end_rule, fail_top_up, get_top_up, set_rule
from usage_billing.prepaid.topping_up import SPANS
from usage_billing.reports.top_ups import rule_of
from usage_billing.top_ups.models import TopUpRule
from usage_billing.wallets.models import Wallet
from usage_billing.wallets.queries import get_wallet
from web.admin.blueprint import address
from web.admin.desk import Operator
from web.admin.forms import Box, Done, Form, change
from web.admin.kinds import COOLDOWN, COUNT

_PER = (("", "no bound"), *((span, "30 days" if span == "month" else span) for span in SPANS))


def _set(session: Session, wallet_id: str) -> Form:
    wallet, rule = get_wallet(session, wallet_id), session.get(TopUpRule, wallet_id)
    unit = wallet.unit_name or wallet.currency
    return Form(
        title=f"Rule for top-ups of {wallet_id}",
        says=f"It asks for more once less than this is available, in {unit}. It asks at once where that is so now.",
        verb="Set the rule",
        current="wallets",
        back=address("wallets", wallet_id),
        boxes=_rule_boxes(rule),
    )


def _rule_boxes(rule: TopUpRule | None) -> list[Box]:
    """The fields of a rule, filled with one that holds."""

    def known(name: str) -> str:
        value = None if rule is None or rule.ended_at is not None else getattr(rule, name)
        return "" if value is None else plain(value) if name in {"below", "amount", "up_to"} else str(value)

    return [
        Box(name="below", label="Below", kind=QUANTITY, value=known("below")),
        Box(name="amount", label="It asks for", kind=QUANTITY, required=False, value=known("amount")),
        Box(
            name="upTo",
            label="Or for what brings it up to",
            kind=QUANTITY,
            required=False,
            value=known("up_to"),
        ),
        Box(name="packageId", label="Or for the package", kind=IDENTIFIER, required=False, value=known("package_id")),
        Box(
            name="atMost",
            label="At most so many times",
            kind=COUNT,
            required=False,
            value=known("most_count"),
            help="Within the time that follows.",
        ),
        Box(name="per", label="Within", type="choice", choices=_PER, required=False, value=known("most_per")),
        Box(
            name="cooldownSeconds",
            label="Seconds before it asks again",
            kind=COOLDOWN,
            required=False,
            value=known("cooldown_seconds"),
        ),
    ]


def _do_set(session: Session, operator: Operator, values: dict[str, Any], wallet_id: str) -> Done:
    new = NewRule(
        below=values["below"],
        amount=values["amount"],
        up_to=values["upTo"],
        package_id=values["packageId"],
        most_count=values["atMost"],
        most_per=values["per"],
        cooldown_seconds=values["cooldownSeconds"] or 0,
    )
    set_rule(session, wallet_id, new, actor=operator.actor, now=operator.now)
    return Done(address("wallets", wallet_id))


def _end(session: Session, wallet_id: str) -> Form:
    rule_of(session, wallet_id)
    return Form(
        title=f"End the rule of {wallet_id}",
        says="It asks for nothing more. What it asked for can be paid still.",
        verb="End the rule",
        current="wallets",
        back=address("wallets", wallet_id),
        danger=True,
    )


def _do_end(session: Session, operator: Operator, _values: dict[str, Any], wallet_id: str) -> Done:
    end_rule(session, wallet_id, actor=operator.actor, now=operator.now)
    return Done(address("wallets", wallet_id))


def _of_top_up(session: Session, top_up_id: UUID) -> tuple[Wallet, str]:
    """The wallet, and in words what it asked for."""
    asked = get_top_up(session, top_up_id)
    wallet = get_wallet(session, asked.wallet_id)
    package = f" as package {asked.package_id}" if asked.package_id else ""
    return wallet, f"{wallet.id} asked for {plain(asked.amount)} {wallet.unit_name or wallet.currency}{package}."


def _paid(session: Session, top_up_id: UUID) -> Form:
    wallet, asked = _of_top_up(session, top_up_id)
    boxes = [Box(name="reference", label="What names the payment", kind=NAME, required=False)]
    if get_top_up(session, top_up_id).package_id is None:
        in_money = wallet.currency is not None
        help = "The same amount, if empty." if in_money else ""
        boxes += [
            Box(name="cost", label="What was paid", kind=PRICE, required=not in_money, help=help),
            Box(name="costCurrency", label="Currency of it", required=False, help="That of the plans."),
            Box(name="expiresAt", label="Until when", kind=TIME, required=False, help="For ever, if empty."),
        ]
    return Form(
        title="A top-up was paid",
        says=f"{asked} It is put into the wallet now.",
        verb="It was paid",
        current="top-ups",
        back=address("wallets", wallet.id),
        boxes=boxes,
    )


def _do_paid(session: Session, operator: Operator, values: dict[str, Any], top_up_id: UUID) -> Done:
    paid = Payment(
        cost=values.get("cost"),
        cost_currency=values.get("costCurrency"),
        reference=values["reference"],
        expires_at=values.get("expiresAt"),
    )
    grace = timedelta(seconds=state().settings.grace_seconds)
    top_up = pay_top_up(session, top_up_id, paid, actor=operator.actor, now=operator.now, grace=grace)
    return Done(address("wallets", top_up.wallet_id))


def _failed(session: Session, top_up_id: UUID) -> Form:
    wallet, asked = _of_top_up(session, top_up_id)
    return Form(
        title="A top-up was not paid",
        says=f"{asked} It asks again after an hour, and waits twice as long after each failure, at most a day.",
        verb="It was not paid",
        current="top-ups",
        back=address("wallets", wallet.id),
        boxes=[Box(name="reason", label="Why", kind=NAME, required=False)],
        danger=True,
    )


def _do_failed(session: Session, operator: Operator, values: dict[str, Any], top_up_id: UUID) -> Done:
    failed = fail_top_up(session, top_up_id, reason=values["reason"], actor=operator.actor, now=operator.now)
    return Done(address("wallets", failed.wallet_id))


change("/wallets/<identifier:wallet_id>/top-up-rule", "top_up_rule", _set, _do_set)
change("/wallets/<identifier:wallet_id>/end-top-up-rule", "end_top_up_rule", _end, _do_end)
change("/top-ups/<uuid:top_up_id>/paid", "top_up_paid", _paid, _do_paid)
change("/top-ups/<uuid:top_up_id>/failed", "top_up_failed", _failed, _do_failed)
