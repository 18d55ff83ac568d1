"""What an operator does with wallets: made, granted into, emptied; a grant activated, taken back, refunded."""

from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from api.state import state
from usage_billing.cli.frame.times import TIME
from usage_billing.cli.frame.types import IDENTIFIER, NEW_IDENTIFIER, PRICE, QUANTITY, UNIT
from usage_billing.core.decimals import plain
from usage_billing.flows.prepaid.grant_life import Refund, activate_grant, refund_grant, void_grant
from usage_billing.flows.prepaid.manage_grants import NewGrant, make_grant
from usage_billing.flows.prepaid.manage_wallets import NewWallet, create_wallet
from usage_billing.wallets.queries import get_grant, get_wallet
from web.admin.blueprint import address
from web.admin.desk import Operator
from web.admin.forms import Box, Done, Form, change, key_box
from web.admin.kinds import IDENTIFIERS, PRIORITY

_CATEGORIES = (
    ("", "purchased with a cost, promotional without one"),
    ("purchased", "purchased"),
    ("promotional", "promotional"),
    ("adjustment", "adjustment"),
)
_NO_YES = (("no", "no"), ("yes", "yes"))


def _new(_: Session) -> Form:
    return Form(
        title="New wallet",
        says="It holds units, which pay for usage beyond the allowance, or money, which pays charges of invoices.",
        verb="Make the wallet",
        current="wallets",
        back=address("wallets"),
        boxes=[
            Box(name="id", label="Id", kind=NEW_IDENTIFIER),
            Box(name="userId", label="Customer", kind=IDENTIFIER),
            Box(name="unitName", label="Unit", kind=UNIT, required=False, help="That of its usage types."),
            Box(
                name="usageTypes",
                label="Usage types",
                kind=IDENTIFIERS,
                type="area",
                rows=3,
                required=False,
                help="One a line; of a wallet of units.",
            ),
            Box(name="currency", label="Or money in", required=False, help="An ISO 4217 code such as USD."),
            Box(
                name="fees",
                label="Its money pays base fees too",
                type="choice",
                choices=_NO_YES,
                value="no",
                required=False,
            ),
            Box(
                name="overdraft",
                label="May owe at most",
                kind=QUANTITY,
                required=False,
                help="Of units; if empty, what no grant pays for is charged.",
            ),
            Box(name="subscriptionId", label="For this subscription alone", kind=IDENTIFIER, required=False),
        ],
    )


def _create(session: Session, operator: Operator, values: dict[str, Any]) -> Done:
    new = NewWallet(
        id=values["id"],
        customer_id=values["userId"],
        unit_name=values["unitName"],
        usage_types=values["usageTypes"],
        currency=values["currency"],
        fees=values["fees"] == "yes",
        subscription_id=values["subscriptionId"],
        uncovered="charge" if values["overdraft"] is None else "owe",
        overdraft=values["overdraft"],
    )
    create_wallet(session, new, actor=operator.actor, now=operator.now)
    return Done(address("wallets", new.id))


def _granted(session: Session, wallet_id: str) -> Form:
    wallet = get_wallet(session, wallet_id)
    unit = wallet.unit_name or wallet.currency
    some = partial(Box, kind=IDENTIFIERS, type="area", rows=2, required=False, help="One a line; all, if empty.")
    return Form(
        title=f"Grant into {wallet_id}",
        says=f"An amount in {unit}, from when until when, for what, and at what cost.",
        verb="Grant it",
        current="wallets",
        back=address("wallets", wallet_id),
        boxes=[
            Box(name="amount", label=f"Amount, in {unit}", kind=QUANTITY),
            Box(name="cost", label="Cost of all of it", kind=PRICE, required=False, help="If empty, it is given."),
            Box(name="costCurrency", label="Currency of the cost", required=False, help="That of the plans."),
            Box(name="category", label="Category", type="choice", choices=_CATEGORIES, required=False),
            Box(name="priority", label="Priority", kind=PRIORITY, value="50", help="0 to 100; lower ones pay first."),
            Box(name="effectiveAt", label="From when", kind=TIME, required=False, help="Now, if empty."),
            Box(name="expiresAt", label="Until when", kind=TIME, required=False, help="For ever, if empty."),
            Box(
                name="coversSince",
                label="Also for what was used since",
                kind=TIME,
                required=False,
                help="And nothing else paid for.",
            ),
            Box(name="pending", label="Waits to be paid", type="choice", choices=_NO_YES, value="no"),
            some(name="usageTypes", label="Only for usage types"),
            some(name="subscriptionIds", label="Only for subscriptions"),
            key_box("Makes it once: an order's number."),
        ],
    )


def _grant(session: Session, operator: Operator, values: dict[str, Any], wallet_id: str) -> Done:
    new = NewGrant(
        amount=values["amount"],
        idempotency_key=values["idempotencyKey"],
        category=values["category"],
        cost=values["cost"],
        cost_currency=values["costCurrency"],
        priority=values["priority"],
        usage_types=values["usageTypes"],
        subscription_ids=values["subscriptionIds"],
        effective_at=values["effectiveAt"],
        expires_at=values["expiresAt"],
        covers_since=values["coversSince"],
        pending_until_paid=values["pending"] == "yes",
    )
    make_grant(session, wallet_id, new, actor=operator.actor, now=operator.now, grace=_grace())
    return Done(address("wallets", wallet_id))


def _of_grant(session: Session, grant_id: UUID, *, boxes: tuple[Box, ...] = (), **said: Any) -> Form:
    grant = get_grant(session, grant_id)
    says = f"{said.pop('says')} It is a grant of {plain(grant.amount)} in {grant.wallet_id}."
    return Form(says=says, current="wallets", back=address("wallets", grant.wallet_id), boxes=boxes, **said)


def _activate(session: Session, operator: Operator, _values: dict[str, Any], grant_id: UUID) -> Done:
    grant = activate_grant(session, grant_id, actor=operator.actor, now=operator.now, grace=_grace())
    return Done(address("wallets", grant.wallet_id))


def _void(session: Session, operator: Operator, values: dict[str, Any], grant_id: UUID) -> Done:
    used = values["used"] == "yes"
    grant = void_grant(session, grant_id, used=used, actor=operator.actor, now=operator.now)
    return Done(address("wallets", grant.wallet_id))


def _refunded(session: Session, grant_id: UUID) -> Form:
    boxes = (
        Box(name="amount", label="Amount", kind=QUANTITY, required=False, help="All that is left, if empty."),
        key_box("Refunds it once."),
    )
    says = "What is left goes out of it. The service that takes payments pays the money out."
    return _of_grant(session, grant_id, title="Refund a grant", says=says, verb="Refund it", boxes=boxes, danger=True)


def _refund(session: Session, operator: Operator, values: dict[str, Any], grant_id: UUID) -> Done:
    asked = Refund(amount=values["amount"], idempotency_key=values["idempotencyKey"])
    refund_grant(session, grant_id, asked, actor=operator.actor, now=operator.now)
    return Done(address("wallets", get_grant(session, grant_id).wallet_id))


def _grace() -> timedelta:
    return timedelta(seconds=state().settings.grace_seconds)


_USED = Box(
    name="used",
    label="Also what it pays for at this moment",
    type="choice",
    choices=_NO_YES,
    value="no",
    help="That then looks for another grant.",
)
change("/wallets/new", "new_wallet", _new, _create)
change("/wallets/<identifier:wallet_id>/grant", "grant", _granted, _grant)
change(
    "/grants/<uuid:grant_id>/activate",
    "activate_grant",
    partial(_of_grant, title="Activate a grant", says="It was paid, and pays from now on.", verb="Activate it"),
    _activate,
)
change(
    "/grants/<uuid:grant_id>/void",
    "void_grant",
    partial(
        _of_grant,
        title="Take a grant back",
        says="What is left of it is gone. This cannot be undone.",
        verb="Take it back",
        boxes=(_USED,),
        danger=True,
    ),
    _void,
)
change("/grants/<uuid:grant_id>/refund", "refund_grant", _refunded, _refund)
