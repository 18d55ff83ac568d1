"""How an operator ends what is in a wallet: all that holds is reset, and the wallet closed, or opened again."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from api.state import state
from usage_billing.cli.frame.times import TIME
from usage_billing.cli.frame.types import QUANTITY
from usage_billing.flows.prepaid.close_wallet import close_wallet, open_again
from usage_billing.flows.prepaid.reset_wallet import Reset, reset_wallet
from usage_billing.wallets.queries import get_wallet
from web.admin.blueprint import address
from web.admin.desk import Operator
from web.admin.forms import Box, Done, Form, change, key_box

_NO_YES = (("no", "no"), ("yes", "yes"))


def _emptied(session: Session, wallet_id: str) -> Form:
    get_wallet(session, wallet_id)
    return Form(
        title=f"End the grants of {wallet_id}",
        says="What was used before is paid for still, and the rest expires but for what is kept. Grants that begin "
        "later, and those that wait to be paid, stay. This cannot be undone.",
        verb="End them",
        current="wallets",
        back=address("wallets", wallet_id),
        boxes=[
            Box(name="at", label="At", kind=TIME, required=False, help="Now, if empty; not in the future."),
            Box(
                name="keep",
                label="Keep at most",
                kind=QUANTITY,
                required=False,
                help="Of what is left, in one new grant. Nothing, if empty.",
            ),
            replace(key_box("Keeps once.", hidden=True), required=False),
        ],
        danger=True,
    )


def _reset(session: Session, operator: Operator, values: dict[str, Any], wallet_id: str) -> Done:
    keep = values["keep"]
    asked = Reset(at=values["at"], keep=keep, idempotency_key=None if keep is None else values["idempotencyKey"])
    reset_wallet(session, wallet_id, asked, actor=operator.actor, now=operator.now, grace=_grace())
    return Done(address("wallets", wallet_id))


def _closing(session: Session, wallet_id: str) -> Form:
    get_wallet(session, wallet_id)
    return Form(
        title=f"Close {wallet_id}",
        says="Nothing is put into it any more. To settle it refunds what is left of what was bought, lets expire what "
        "was given, and charges what is owed.",
        verb="Close it",
        current="wallets",
        back=address("wallets", wallet_id),
        boxes=[Box(name="settle", label="Settle it", type="choice", choices=_NO_YES, value="no")],
        danger=True,
    )


def _close(session: Session, operator: Operator, values: dict[str, Any], wallet_id: str) -> Done:
    settle = values["settle"] == "yes"
    close_wallet(session, wallet_id, settle=settle, actor=operator.actor, now=operator.now, grace=_grace())
    return Done(address("wallets", wallet_id))


def _opening(session: Session, wallet_id: str) -> Form:
    get_wallet(session, wallet_id)
    return Form(
        title=f"Open {wallet_id} again",
        says="Something may be put into it again. What was in it stays gone.",
        verb="Open it",
        current="wallets",
        back=address("wallets", wallet_id),
        boxes=[],
    )


def _open(session: Session, operator: Operator, _: dict[str, Any], wallet_id: str) -> Done:
    open_again(session, wallet_id, actor=operator.actor, now=operator.now)
    return Done(address("wallets", wallet_id))


def _grace() -> timedelta:
    return timedelta(seconds=state().settings.grace_seconds)


change("/wallets/<identifier:wallet_id>/reset", "reset_wallet", _emptied, _reset)
change("/wallets/<identifier:wallet_id>/close", "close_wallet", _closing, _close)
change("/wallets/<identifier:wallet_id>/open", "open_wallet", _opening, _open)
