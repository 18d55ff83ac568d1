"""Wallets: what customers paid for beforehand, and what of it is left."""

from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from flask import Response

from api.arguments import Blueprint
from api.auth import caller, narrowed, requires
from api.fitted import fitted
from api.json_provider import json_response
from api.locations import makes
from api.pagination import BY_ID, BY_NAME, BY_NUMBER, filters_of, listed, read_cursor
from api.schemas.wallets import (
    CloseSchema,
    EntriesQuery,
    GrantsQuery,
    NewGrantSchema,
    NewWalletSchema,
    RefundSchema,
    ResetSchema,
    VoidGrantSchema,
    WalletsQuery,
)
from api.state import state
from api.transactions import writing
from usage_billing.access.principal import USAGE_READ, WALLETS_WRITE
from usage_billing.core.errors import NotFound
from usage_billing.db.session import read_only
from usage_billing.flows.folding.drive_reads import counted
from usage_billing.flows.prepaid import close_wallet, grant_life, manage_grants, manage_wallets, reset_wallet
from usage_billing.flows.prepaid.grant_life import Refund
from usage_billing.flows.prepaid.manage_grants import NewGrant
from usage_billing.flows.prepaid.manage_wallets import NewWallet
from usage_billing.reports.grants import grant_shown, grants_page, owner_of_grant
from usage_billing.reports.wallet_entries import entries_of, provisional_entries
from usage_billing.reports.wallets import WalletView, units_of, wallet_view
from usage_billing.wallets.models import Transfer, Wallet
from usage_billing.wallets.queries import get_grant, get_wallet, owner_of_wallet, transfers_of, wallets_where
from usage_billing.wallets.views import GrantView, RefundView
from usage_billing.wire.noun import page_of, show
from usage_billing.wire.wallet import ENTRIES, GRANT, NEW_WALLET, REFUND, TRANSFER, WALLET, WALLET_BALANCE

blp = Blueprint("wallets", __name__, url_prefix="/api", description="What is paid for beforehand.")


@blp.route("/wallets", methods=["POST"])
@requires(WALLETS_WRITE)
@blp.arguments(NewWalletSchema)
@blp.response(201, NEW_WALLET)
@makes("/api/wallets")
def create_wallet(new: NewWallet) -> dict[str, object]:
    """Make a wallet for units of usage types or for money; for each subscription and type or currency one pays."""
    with writing() as session:
        made = manage_wallets.create_wallet(session, new, actor=caller().actor, now=state().clock())
        (shown,) = units_of(session, [made])
        if manage_wallets.lacks_plan(session, made):
            shown["warning"] = f"no plan of the customer charges in {made.currency}"
    return shown


@blp.route("/wallets", methods=["GET"])
@requires(USAGE_READ, users=True)
@blp.arguments(WalletsQuery, location="query")
@blp.response(200, page_of(WALLET))
def list_wallets(query: dict[str, Any]) -> dict[str, Any]:
    """List wallets by id, without their balances. A user sees its own."""
    if not narrowed(query):
        return {"data": [], "next_cursor": None}
    with read_only(state().engine) as session:
        return listed(
            session,
            wallets_where(**filters_of(query)),
            query,
            noun=WALLET,
            by=[Wallet.id],
            kind=BY_NAME,
            viewed=lambda rows: units_of(session, rows),
        )


@blp.route("/wallets/<identifier:wallet_id>", methods=["GET"])
@requires(USAGE_READ, users=True)
@blp.response(200, WALLET_BALANCE)
def show_wallet(wallet_id: str) -> WalletView:
    """Show a wallet and its balance, which counts all that is in the books. A user sees its own."""
    with counted(state().engine, customer_of=partial(owner_of_wallet, wallet_id=wallet_id)) as (session, _):
        return _seen(wallet_view(session, wallet_id, now=state().clock()))


@blp.route("/wallets/<identifier:wallet_id>/entries", methods=["GET"])
@requires(USAGE_READ, users=True)
@blp.arguments(EntriesQuery, location="query")
@blp.response(200, ENTRIES)
def list_entries(query: dict[str, Any], wallet_id: str) -> dict[str, Any]:
    """List what moved in a wallet, the newest first, with the balance after it; `provisional`: what is not posted."""
    with counted(state().engine, customer_of=partial(owner_of_wallet, wallet_id=wallet_id)) as (session, _):
        wallet = get_wallet(session, wallet_id)
        _check_seen(wallet)
        page = listed(
            session,
            transfers_of(wallet_id),
            query,
            noun=TRANSFER,
            by=[Transfer.id],
            kind=BY_NUMBER,
            newest_first=True,
            viewed=lambda rows: entries_of(session, rows),
        )
        if query["provisional"]:
            page["provisional"] = provisional_entries(session, wallet, now=state().clock())
    return page


@blp.route("/wallets/<identifier:wallet_id>/grants", methods=["POST"])
@requires(WALLETS_WRITE)
@blp.arguments(NewGrantSchema)
@blp.response(201, GRANT)
@blp.alt_response(200, noun=GRANT, description="The key has made it before; nothing changed.", success=True)
@makes("/api/grants")
def make_grant(new: NewGrant, wallet_id: str) -> Response:
    """Put an amount into a wallet, from when until when, for what, and at what cost."""
    now, grace = state().clock(), timedelta(seconds=state().settings.grace_seconds)
    with writing() as session:
        grant, is_new = manage_grants.make_grant(session, wallet_id, new, actor=caller().actor, now=now, grace=grace)
        shown = show(GRANT, grant_shown(session, grant.id, now=now)[1])
    return json_response(shown, status=201 if is_new else 200)


@blp.route("/wallets/<identifier:wallet_id>/grants", methods=["GET"])
@requires(USAGE_READ, users=True)
@blp.arguments(GrantsQuery, location="query")
@blp.response(200, page_of(GRANT))
def list_grants(query: dict[str, Any], wallet_id: str) -> dict[str, Any]:
    """List the grants of a wallet, the newest first, closed and void ones too. A user sees its own."""
    with counted(state().engine, customer_of=partial(owner_of_wallet, wallet_id=wallet_id)) as (session, _):
        _check_seen(get_wallet(session, wallet_id))
        after = read_cursor(query["cursor"], BY_ID)
        page = grants_page(
            session, wallet_id, status=query["status"], now=state().clock(), after=after, limit=query["limit"]
        )
        data, last = fitted(GRANT, page.rows, positions=page.keys, last=page.last)
        return {"data": data, "next_cursor": last}


@blp.route("/wallets/<identifier:wallet_id>/reset", methods=["POST"])
@requires(WALLETS_WRITE)
@blp.arguments(ResetSchema)
@blp.response(200, WALLET_BALANCE)
def reset(asked: reset_wallet.Reset, wallet_id: str) -> WalletView:
    """End the grants of a wallet at an instant; what was used before it is paid for still, however late it comes.

    With `keep` one new grant has what is left, at most so much, and follows late usage until the others are closed.
    """
    now, grace = state().clock(), timedelta(seconds=state().settings.grace_seconds)
    with writing() as session:
        reset_wallet.reset_wallet(session, wallet_id, asked, actor=caller().actor, now=now, grace=grace)
        return wallet_view(session, wallet_id, now=now)


@blp.route("/wallets/<identifier:wallet_id>/close", methods=["POST"])
@requires(WALLETS_WRITE)
@blp.arguments(CloseSchema)
@blp.response(200, WALLET_BALANCE)
def close(asked: dict[str, Any], wallet_id: str) -> WalletView:
    """Close a wallet: nothing is put into it any more. With `settle` it may have something left, or owe.

    What is left of what was bought is refunded, what was given expires, and what is owed is charged by its price.
    """
    now, grace = state().clock(), timedelta(seconds=state().settings.grace_seconds)
    with writing() as session:
        close_wallet.close_wallet(
            session, wallet_id, settle=asked["settle"], actor=caller().actor, now=now, grace=grace
        )
        return wallet_view(session, wallet_id, now=now)


@blp.route("/wallets/<identifier:wallet_id>/open", methods=["POST"])
@requires(WALLETS_WRITE)
@blp.response(200, WALLET_BALANCE)
def open_again(wallet_id: str) -> WalletView:
    """Open a closed wallet again. What was in it stays gone."""
    now = state().clock()
    with writing() as session:
        close_wallet.open_again(session, wallet_id, actor=caller().actor, now=now)
        return wallet_view(session, wallet_id, now=now)


@blp.route("/grants/<uuid:grant_id>", methods=["GET"])
@requires(USAGE_READ, users=True)
@blp.response(200, GRANT)
def show_grant(grant_id: UUID) -> GrantView:
    """Show a grant and what became of it. A user sees its own."""
    now = state().clock()
    with counted(state().engine, customer_of=partial(owner_of_grant, grant_id=grant_id, now=now)) as (session, _):
        wallet, view = grant_shown(session, grant_id, now=now)
        if not caller().may_see(wallet.customer_id):
            raise NotFound(f"there is no grant {grant_id}")
        return view


@blp.route("/grants/<uuid:grant_id>/void", methods=["POST"])
@requires(WALLETS_WRITE)
@blp.arguments(VoidGrantSchema)
@blp.response(200, GRANT)
def void_grant(asked: dict[str, Any], grant_id: UUID) -> GrantView:
    """Take back what is left of a grant that was a mistake; with `used` also what it pays for and is not posted."""
    now = state().clock()
    with writing() as session:
        grant_life.void_grant(session, grant_id, used=asked["used"], actor=caller().actor, now=now)
        return grant_shown(session, grant_id, now=now)[1]


@blp.route("/grants/<uuid:grant_id>/activate", methods=["POST"])
@requires(WALLETS_WRITE)
@blp.response(200, GRANT)
def activate_grant(grant_id: UUID) -> GrantView:
    """Let a grant that waited to be paid pay for usage, from now on unless it has a start of its own."""
    now, grace = state().clock(), timedelta(seconds=state().settings.grace_seconds)
    with writing() as session:
        grant_life.activate_grant(session, grant_id, actor=caller().actor, now=now, grace=grace)
        return grant_shown(session, grant_id, now=now)[1]


@blp.route("/grants/<uuid:grant_id>/refund", methods=["POST"])
@requires(WALLETS_WRITE)
@blp.arguments(RefundSchema)
@blp.response(200, REFUND)
def refund_grant(asked: Refund, grant_id: UUID) -> RefundView:
    """Refund what is left of a bought grant, or a part: the answer and an event say how much money goes back."""
    with writing() as session:
        made = grant_life.refund_grant(session, grant_id, asked, actor=caller().actor, now=state().clock())
        return RefundView(transfer=made, currency=get_grant(session, grant_id).cost_currency)


def _seen(view: WalletView) -> WalletView:
    _check_seen(view.wallet)
    return view


def _check_seen(wallet: Wallet) -> None:
    if not caller().may_see(wallet.customer_id):
        raise NotFound(f"there is no wallet {wallet.id}")
