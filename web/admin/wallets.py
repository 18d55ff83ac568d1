"""Wallets at the desk: their list, and one with its balance, its grants and what moved."""

from functools import partial

from flask import Response

from api.pagination import BY_NAME, BY_NUMBER
from usage_billing.reports.grants import grants_page
from usage_billing.reports.wallet_entries import entries_of
from usage_billing.reports.wallets import units_of, wallet_view
from usage_billing.wallets.models import Transfer, Wallet
from usage_billing.wallets.queries import transfers_of, wallets_where
from usage_billing.wire.noun import show
from usage_billing.wire.wallet import GRANT, TRANSFER, WALLET, WALLET_BALANCE
from web.admin.blueprint import blp
from web.admin.desk import Desk
from web.admin.frame import framed, query_of
from web.admin.gate import looking, looking_at_usage
from web.admin.history import last_of
from web.admin.lists import ROWS, listed
from web.admin.schedules import last_schedules
from web.admin.top_ups import rule_and_requests


@blp.get("/wallets")
@looking
def list_wallets(desk: Desk) -> Response:
    """Wallets by id, of a customer."""
    query = query_of("customer", "after")
    statement = wallets_where(customer_id=query.get("customer"))
    found = listed(
        desk,
        statement,
        query,
        noun=WALLET,
        by=[Wallet.id],
        kind=BY_NAME,
        path=["wallets"],
        viewed=partial(units_of, desk.session),
    )
    return framed(desk, "wallets", "wallets", wallets=found.rows, following=found.following, query=query)


@blp.get("/wallets/<identifier:wallet_id>")
@looking_at_usage
def show_wallet(desk: Desk, wallet_id: str) -> Response:
    """A wallet with its balance of this moment, its grants, what recurs, what it asks for, and what moved."""
    query = query_of("after")
    shape = show(WALLET_BALANCE, wallet_view(desk.session, wallet_id, now=desk.now))
    newest = grants_page(desk.session, wallet_id, status=None, now=desk.now, after=None, limit=ROWS)
    moved = listed(
        desk,
        transfers_of(wallet_id),
        query,
        noun=TRANSFER,
        by=[Transfer.id],
        kind=BY_NUMBER,
        path=["wallets", wallet_id],
        newest_first=True,
        viewed=partial(entries_of, desk.session),
    )
    return framed(
        desk,
        "wallets",
        "wallet",
        one=shape,
        grants=[show(GRANT, one) for one in newest.rows],
        all_grants=len(shape["grants"]) + shape["closed"]["grants"],
        moved=moved.rows,
        following=moved.following,
        history=last_of(desk, [f"wallet:{wallet_id}"]),
        **rule_and_requests(desk, wallet_id),
        **last_schedules(desk, wallet_id),
    )
