"""What wallets asked for, of all of them or of one, and the rule by which a wallet asks."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from flask import Response

from api.pagination import BY_ID
from usage_billing.core.errors import InvalidInput
from usage_billing.db.keyset import page_of
from usage_billing.reports.top_ups import rule_view, top_up_views, top_ups_where
from usage_billing.top_ups.models import TopUp, TopUpRule, TopUpState
from usage_billing.wire.noun import Shape, show
from usage_billing.wire.top_up import TOP_UP, TOP_UP_RULE
from web.admin.blueprint import blp
from web.admin.desk import Desk
from web.admin.frame import framed, query_of
from web.admin.gate import looking
from web.admin.lists import listed

LAST = 5
_STATES = (("", "all"), *((one.value, one.value) for one in TopUpState))


@blp.get("/top-ups")
@looking
def list_top_ups(desk: Desk) -> Response:
    """What wallets asked for, the newest first; ``state`` and ``wallet`` choose."""
    query = query_of("state", "wallet", "after")
    if query.get("state", "") not in dict(_STATES):
        raise InvalidInput.field("?state", f"must be one of {', '.join(TopUpState)}", code="not_a_choice")
    found = listed(
        desk,
        top_ups_where(wallet_id=query.get("wallet"), state=query.get("state")),
        query,
        noun=TOP_UP,
        by=[TopUp.id],
        kind=BY_ID,
        path=["top-ups"],
        newest_first=True,
        viewed=partial(top_up_views, desk.session),
        beside=_waits(desk.now),
    )
    return framed(
        desk, "top-ups", "top_ups", top_ups=found.rows, following=found.following, query=query, states=_STATES
    )


def rule_and_requests(desk: Desk, wallet_id: str) -> dict[str, Any]:
    """The rule of a wallet, None where it never had one, and the last that it asked for."""
    rule = desk.session.get(TopUpRule, wallet_id)
    page = page_of(
        desk.session, top_ups_where(wallet_id=wallet_id), by=[TopUp.id], after=None, limit=LAST, newest_first=True
    )
    waits = _waits(desk.now)
    return {
        "rule": None if rule is None else show(TOP_UP_RULE, rule_view(desk.session, rule)),
        "held_back": rule is not None and rule.waits_until is not None and desk.now < rule.waits_until,
        "top_ups": [show(TOP_UP, one) | waits(one) for one in top_up_views(desk.session, page.rows)],
    }


def _waits(now: datetime) -> Callable[[dict[str, Any]], Shape]:
    """Whether a request can be answered: the clock ends it before the task that notes so."""
    return lambda view: {"waits": view["top_up"].state == TopUpState.ASKED and now < view["top_up"].expires_at}
