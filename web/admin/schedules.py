"""Grants that recur: the schedules of all wallets or of one."""

from functools import partial
from typing import Any

from flask import Response

from api.pagination import BY_ID
from usage_billing.db.keyset import page_of
from usage_billing.reports.schedules import schedule_views
from usage_billing.schedules.models import Schedule
from usage_billing.schedules.queries import schedules_where
from usage_billing.wire.noun import show
from usage_billing.wire.schedule import SCHEDULE
from web.admin.blueprint import blp
from web.admin.desk import Desk
from web.admin.frame import framed, query_of
from web.admin.gate import looking
from web.admin.lists import listed

LAST = 5


@blp.get("/schedules")
@looking
def list_schedules(desk: Desk) -> Response:
    """Schedules of grants, the newest first; ``wallet`` chooses."""
    query = query_of("wallet", "after")
    found = listed(
        desk,
        schedules_where(wallet_id=query.get("wallet")),
        query,
        noun=SCHEDULE,
        by=[Schedule.id],
        kind=BY_ID,
        path=["schedules"],
        newest_first=True,
        viewed=partial(schedule_views, desk.session, now=desk.now),
    )
    return framed(desk, "schedules", "schedules", schedules=found.rows, following=found.following, query=query)


def last_schedules(desk: Desk, wallet_id: str) -> dict[str, Any]:
    """The last schedules of a wallet."""
    page = page_of(
        desk.session, schedules_where(wallet_id=wallet_id), by=[Schedule.id], after=None, limit=LAST, newest_first=True
    )
    return {"schedules": [show(SCHEDULE, one) for one in schedule_views(desk.session, page.rows, now=desk.now)]}
