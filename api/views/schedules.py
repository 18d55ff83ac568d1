"""Schedules: grants that recur."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from flask import Response

from api.arguments import Blueprint
from api.auth import caller, requires
from api.json_provider import json_response
from api.locations import makes
from api.pagination import BY_ID, listed
from api.schemas.paging import PageQuery
from api.schemas.schedules import EndScheduleSchema, NewScheduleSchema
from api.state import state
from api.transactions import writing
from usage_billing.access.principal import USAGE_READ, WALLETS_WRITE
from usage_billing.core.errors import NotFound
from usage_billing.db.session import read_only
from usage_billing.flows.prepaid import manage_schedules
from usage_billing.flows.prepaid.manage_schedules import NewSchedule
from usage_billing.reports.schedules import schedule_views
from usage_billing.schedules.models import Schedule
from usage_billing.schedules.queries import schedules_where
from usage_billing.wallets.queries import get_wallet
from usage_billing.wire.noun import page_of, show
from usage_billing.wire.schedule import SCHEDULE

blp = Blueprint("schedules", __name__, url_prefix="/api", description="What is given again and again.")


@blp.route("/wallets/<identifier:wallet_id>/schedules", methods=["POST"])
@requires(WALLETS_WRITE)
@blp.arguments(NewScheduleSchema)
@blp.response(201, SCHEDULE)
@blp.alt_response(200, noun=SCHEDULE, description="The key has made it before; nothing changed.", success=True)
@makes("/api/wallets/{wallet_id}/schedules", named=None)
def make_schedule(new: NewSchedule, wallet_id: str) -> Response:
    """Put an amount into a wallet again and again: a grant with each occurrence, in time for what is used then."""
    now, grace = state().clock(), timedelta(seconds=state().settings.grace_seconds)
    with writing() as session:
        made, is_new = manage_schedules.make_schedule(
            session, wallet_id, new, actor=caller().actor, now=now, grace=grace
        )
        (view,) = schedule_views(session, [made], now=now)
    return json_response(show(SCHEDULE, view), status=201 if is_new else 200)


@blp.route("/wallets/<identifier:wallet_id>/schedules", methods=["GET"])
@requires(USAGE_READ, users=True)
@blp.arguments(PageQuery, location="query")
@blp.response(200, page_of(SCHEDULE))
def list_schedules(query: dict[str, Any], wallet_id: str) -> dict[str, Any]:
    """List the schedules of a wallet, the first made first. A user sees those of its own."""
    now = state().clock()
    with read_only(state().engine) as session:
        if not caller().may_see(get_wallet(session, wallet_id).customer_id):
            raise NotFound(f"there is no wallet {wallet_id}")
        return listed(
            session,
            schedules_where(wallet_id=wallet_id),
            query,
            noun=SCHEDULE,
            by=[Schedule.id],
            kind=BY_ID,
            viewed=lambda rows: schedule_views(session, rows, now=now),
        )


@blp.route("/schedules/<uuid:schedule_id>/end", methods=["POST"])
@requires(WALLETS_WRITE)
@blp.arguments(EndScheduleSchema)
@blp.response(200, SCHEDULE)
def end_schedule(asked: dict[str, Any], schedule_id: UUID) -> dict[str, object]:
    """Let a schedule make no grant from an instant on; those that it made stay as they are."""
    now = state().clock()
    with writing() as session:
        ended = manage_schedules.end_schedule(session, schedule_id, at=asked["at"], actor=caller().actor, now=now)
        (view,) = schedule_views(session, [ended], now=now)
    return view
