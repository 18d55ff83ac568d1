"""What a customer has in hand, grant by grant, what is asked for and what comes; its balance; what moved in each."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Select

from usage_billing.balances.models import CreditEntry
from usage_billing.balances.queries import balances_of, entries_of
from usage_billing.core.errors import NotFound
from usage_billing.core.limits import MAX_BIGINT
from usage_billing.db.keyset import Page, Row, page_of
from usage_billing.reports.schedules import schedule_views
from usage_billing.reports.wallet_entries import entries_of as moved_in
from usage_billing.reports.wallets import WalletView, next_to_expire, open_grants, units_of, wallets_in_hand
from usage_billing.schedules.queries import coming_schedules
from usage_billing.wallets.models import Transfer
from usage_billing.wallets.queries import get_wallet, transfers_of
from usage_billing.wire.credit import BALANCE, CREDIT_ENTRY
from usage_billing.wire.noun import Shape, show
from usage_billing.wire.schedule import SCHEDULE
from usage_billing.wire.wallet import GRANT, TRANSFER, WALLET, WALLET_BALANCE
from web.portal.visit import Visit

PAGE = 50
_MOST_WALLETS, _MOST_GRANTS, _MOST_COMING = 20, 50, 5


def in_hand(visit: Visit) -> dict[str, Any]:
    """The wallets, closed ones last, each with the grants that may pay still, in their order; and the balances."""
    found = wallets_in_hand(visit.session, visit.customer_id, now=visit.now)
    balances = [show(BALANCE, one) for one in balances_of(visit.session, visit.customer_id)]
    shown = sorted(found, key=lambda one: one.wallet.closed_at is not None)[:_MOST_WALLETS]
    coming = _coming(visit, [one.wallet.id for one in shown])
    return {"wallets": [_wallet(one) | {"coming": coming[one.wallet.id]} for one in shown], "balances": balances}


def available(visit: Visit) -> list[Shape]:
    """What each wallet that is open has for use at this moment, as the API shows it."""
    found = [
        one for one in wallets_in_hand(visit.session, visit.customer_id, now=visit.now) if one.wallet.closed_at is None
    ]
    return [show(WALLET_BALANCE, one) for one in found[:_MOST_WALLETS]]


def movements(visit: Visit, wallet_id: str, before: int | None) -> dict[str, Any]:
    """A wallet of the customer, and a page of what moved in it, newest first. Raises NotFound."""
    wallet = get_wallet(visit.session, wallet_id)
    if wallet.customer_id != visit.customer_id:
        raise NotFound(f"there is no wallet {wallet_id}")
    (unit,) = units_of(visit.session, [wallet])
    page = _page(visit, transfers_of(wallet_id), Transfer, before)
    rows = [show(TRANSFER, one) for one in moved_in(visit.session, page.rows)]
    return {"wallet": show(WALLET, unit), "rows": rows, "before": _last(page)}


def balance(visit: Visit, before: int | None) -> dict[str, Any]:
    """The balances, and a page of what moved in them, newest first."""
    page = _page(visit, entries_of(visit.customer_id), CreditEntry, before)
    return {
        "balances": [show(BALANCE, one) for one in balances_of(visit.session, visit.customer_id)],
        "rows": [show(CREDIT_ENTRY, one) for one in page.rows],
        "before": _last(page),
    }


def _coming(visit: Visit, wallet_ids: Sequence[str]) -> Mapping[str, Sequence[Shape]]:
    """What recurs in each of these wallets, the next first."""
    found: dict[str, list[Shape]] = {wallet_id: [] for wallet_id in wallet_ids}
    if wallet_ids:
        coming = coming_schedules(visit.session, wallet_ids)
        for view in schedule_views(visit.session, coming, now=visit.now):
            shape = show(SCHEDULE, view)
            if shape["nextAt"] is not None and len(found[shape["walletId"]]) < _MOST_COMING:
                found[shape["walletId"]].append(shape)
    return found


def _wallet(view: WalletView) -> dict[str, Any]:
    grants = open_grants(view)
    expires = next_to_expire(view)
    return {
        "is": show(WALLET_BALANCE, view),
        "of": view,
        "grants": [show(GRANT, one) for one in grants[:_MOST_GRANTS]],
        "more": len(grants) - _MOST_GRANTS,
        "expires": None if expires is None else show(GRANT, expires),
    }


def _page(visit: Visit, statement: Select[Row], table: type[Transfer | CreditEntry], before: int | None) -> Page[Row]:
    after = None if before is None else (min(before, MAX_BIGINT),)
    return page_of(visit.session, statement, by=[table.id], after=after, limit=PAGE, newest_first=True)


def _last(page: Page[Any]) -> int | None:
    return None if page.last is None else page.last[0]
