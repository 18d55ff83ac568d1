"""Top-ups: wallets that ask for more by a rule, and what the service that takes payments answers."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from api.arguments import Blueprint
from api.auth import caller, requires
from api.pagination import BY_NUMBER, listed
from api.schemas.paging import PageQuery
from api.schemas.top_ups import FailedSchema, NewRuleSchema, PaidSchema
from api.state import state
from api.transactions import writing
from usage_billing.access.principal import USAGE_READ, WALLETS_WRITE
from usage_billing.core.errors import NotFound
from usage_billing.db.session import read_only
from usage_billing.flows.administration.pay_top_up import Payment, pay_top_up
from usage_billing.flows.prepaid import manage_top_ups
from usage_billing.flows.prepaid.manage_top_ups import NewRule, get_top_up
from usage_billing.reports.top_ups import rule_of, rule_view, top_up_views, top_ups_where
from usage_billing.top_ups.models import TopUp
from usage_billing.wallets.models import Wallet
from usage_billing.wallets.queries import get_wallet
from usage_billing.wire.noun import page_of
from usage_billing.wire.top_up import TOP_UP, TOP_UP_RULE

blp = Blueprint("top-ups", __name__, url_prefix="/api", description="Wallets that ask for more.")
_RULE = "/wallets/<identifier:wallet_id>/top-up-rule"


@blp.route(_RULE, methods=["POST"])
@requires(WALLETS_WRITE)
@blp.arguments(NewRuleSchema)
@blp.response(200, TOP_UP_RULE)
def set_top_up_rule(new: NewRule, wallet_id: str) -> dict[str, object]:
    """Let a wallet ask for more once less than `below` is available; replaces the rule that it had."""
    with writing() as session:
        rule = manage_top_ups.set_rule(session, wallet_id, new, actor=caller().actor, now=state().clock())
        return rule_view(session, rule)


@blp.route(_RULE, methods=["GET"])
@requires(USAGE_READ, users=True)
@blp.response(200, TOP_UP_RULE)
def show_top_up_rule(wallet_id: str) -> dict[str, object]:
    """Show the rule by which a wallet asks for more. A user sees its own."""
    with read_only(state().engine) as session:
        _seen(get_wallet(session, wallet_id))
        return rule_view(session, rule_of(session, wallet_id))


@blp.route(_RULE, methods=["DELETE"])
@requires(WALLETS_WRITE)
@blp.response(200, TOP_UP_RULE)
def end_top_up_rule(wallet_id: str) -> dict[str, object]:
    """End the rule: the wallet asks for nothing more. What it asked for may still be paid."""
    with writing() as session:
        rule = manage_top_ups.end_rule(session, wallet_id, actor=caller().actor, now=state().clock())
        return rule_view(session, rule)


@blp.route("/wallets/<identifier:wallet_id>/top-ups", methods=["GET"])
@requires(USAGE_READ, users=True)
@blp.arguments(PageQuery, location="query")
@blp.response(200, page_of(TOP_UP))
def list_top_ups(query: dict[str, Any], wallet_id: str) -> dict[str, Any]:
    """List what a wallet asked for, the latest first. A user sees its own."""
    with read_only(state().engine) as session:
        _seen(get_wallet(session, wallet_id))

        def viewed(rows: Sequence[TopUp]) -> list[dict[str, object]]:
            return top_up_views(session, rows)

        return listed(
            session,
            top_ups_where(wallet_id=wallet_id),
            query,
            noun=TOP_UP,
            by=[TopUp.cycle],
            kind=BY_NUMBER,
            newest_first=True,
            viewed=viewed,
        )


@blp.route("/top-ups/<uuid:top_up_id>", methods=["GET"])
@requires(USAGE_READ, users=True)
@blp.response(200, TOP_UP)
def show_top_up(top_up_id: UUID) -> dict[str, object]:
    """Show what a wallet asked for, and what became of that. A user sees its own."""
    with read_only(state().engine) as session:
        found = get_top_up(session, top_up_id)
        if not caller().may_see(get_wallet(session, found.wallet_id).customer_id):
            raise NotFound(f"there is no top-up {top_up_id}")
        return _view(session, found)


@blp.route("/top-ups/<uuid:top_up_id>/paid", methods=["POST"])
@requires(WALLETS_WRITE)
@blp.arguments(PaidSchema)
@blp.response(200, TOP_UP)
def answer_paid(paid: Payment, top_up_id: UUID) -> dict[str, object]:
    """Say that a top-up was paid: what was asked for is put into the wallet."""
    now, grace = state().clock(), timedelta(seconds=state().settings.grace_seconds)
    with writing() as session:
        return _view(session, pay_top_up(session, top_up_id, paid, actor=caller().actor, now=now, grace=grace))


@blp.route("/top-ups/<uuid:top_up_id>/failed", methods=["POST"])
@requires(WALLETS_WRITE)
@blp.arguments(FailedSchema)
@blp.response(200, TOP_UP)
def answer_failed(said: dict[str, Any], top_up_id: UUID) -> dict[str, object]:
    """Say that a top-up was not paid: the wallet asks again after an hour, and twice as long after each failure."""
    with writing() as session:
        failed = manage_top_ups.fail_top_up(
            session, top_up_id, reason=said["reason"], actor=caller().actor, now=state().clock()
        )
        return _view(session, failed)


def _view(session: Session, top_up: TopUp) -> dict[str, object]:
    (shown,) = top_up_views(session, [top_up])
    return shown


def _seen(wallet: Wallet) -> None:
    if not caller().may_see(wallet.customer_id):
        raise NotFound(f"there is no wallet {wallet.id}")
